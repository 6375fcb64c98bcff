"""May the role at hand do what it is for."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from sqlalchemy import Engine

from ..statements.health import Job
from ..store import health as asked
from ..tables import Tables, default_tables
from .finding import Finding, Verdict, failed, looking, ok, on_database, skipped

NAME = "grants"


@on_database(NAME, denied=Verdict.FAILED)
def check_grants(engine: Engine, jobs: Collection[Job] = (Job.CHECKING,), tables: Tables | None = None) -> Finding:
    """Find what the role lacks for its jobs, as GRANT writes it. Checking is always one of them.

    What it lacks for other jobs is no fault: a role that may do only what it must is a good one.
    """
    tables = tables or default_tables()
    with looking(engine, tables) as session:
        missing = asked.missing_grants(session, tables)
    if missing is None:
        return skipped(NAME, "SQLite has no roles: see who may write the file")
    wanted = [job for job in Job if job in jobs or job is Job.CHECKING]
    lacks = {job: missing[job] for job in wanted if missing[job]}
    if lacks:
        told = "; ".join(f"for {job.value} it lacks {', '.join(all_)}" for job, all_ in lacks.items())
        grants = "; ".join(f"GRANT {each} TO …" for each in dict.fromkeys(chain(*lacks.values())))
        return failed(NAME, told, grants)
    may = ", ".join(job.value for job in Job if not missing[job])
    others = ", ".join(job.value for job in Job if missing[job])
    return ok(NAME, f"enough for {may}" + (f"; not for {others}" if others else ""))
