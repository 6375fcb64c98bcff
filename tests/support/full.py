"""No room left: a SQLite file that may not grow, and a whole disk that is full.

ceiling = Ceiling(engine)  # needs nothing, counts for the connections of one engine
ceiling.lower()
...
with Disk() as disk:  # needs root; counts for every process
    path = disk.path / "breakers.db"
    disk.fill()
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from psycopg import sql
from sqlalchemy import Engine, event

from .servers import RestartableServer

NEEDS_ROOT = "a disk of our own is mounted, for which this account lacks the privilege: run these tests as root"
NO_LIMIT = 4_294_967_294
PAGE = b"\0" * 4096

# It waits for the end of its input, which comes with our end too: no kill leaves a mount behind.
KEEPER = """
mount -t tmpfs -o "size=$2" driftbreaker "$1" && chmod 755 "$1" && echo mounted && cat >/dev/null
umount -l "$1"
rmdir "$1"
"""


class Ceiling:
    """Keeps a SQLite file from growing, as a full disk does: "database or disk is full".

    Room in pages that the file has already is still given out: a small change may pass, one of some pages never does.
    A connection obeys from its next checkout on, so not amid a transaction.
    """

    def __init__(self, engine: Engine) -> None:
        """Take a synchronous engine, or the `sync_engine` of an asynchronous one."""
        self._pages = NO_LIMIT
        event.listen(engine, "checkout", self._apply)

    def lower(self) -> None:
        """Let the file grow no more."""
        self._pages = 1  # SQLite makes the present size of it

    def lift(self) -> None:
        """Let it grow again."""
        self._pages = NO_LIMIT

    def _apply(self, connection: Any, *_: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {self._pages}")
        cursor.fetchall()
        cursor.close()


class Disk:
    """A small disk in memory, that can be full; a context manager.

    On a full one SQLite can write nothing at all, for it has no room for a journal (for its WAL, once that is to grow).

    Attributes:
        path: an empty folder, for everybody to enter and for us to write.
    """

    def __init__(self, size: str = "32m") -> None:
        self._size = size

    def __enter__(self) -> Self:
        self.path = Path(tempfile.mkdtemp(prefix="driftbreaker-disk-"))
        self._keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", str(self.path), self._size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"mounted\n":
            self.__exit__()
            raise AssertionError(NEEDS_ROOT)
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.communicate()

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self) -> None:
        """Leave no room, not for a byte."""
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(PAGE)
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def moved_to(disk: Disk, server: RestartableServer, database: str) -> Iterator[None]:
    """Keep the tables of a database on a disk; when it is full they cannot grow: SQLSTATE 53100.

    The server's WAL stays where it was: without room for that, PostgreSQL would crash.
    """
    assert server.folder is not None
    folder = disk.path / f"tablespace-{database}"
    folder.mkdir()
    owner = (server.folder / "data").stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    name, tablespace = sql.Identifier(database), sql.Identifier(folder.name)
    server.ask(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(tablespace, sql.Literal(str(folder))))
    try:
        server.terminate_backends(database)
        server.ask(sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(name, tablespace))
        yield
    finally:
        disk.free()
        server.terminate_backends(database)
        server.ask(sql.SQL("ALTER DATABASE {} SET TABLESPACE pg_default").format(name))
        server.ask(sql.SQL("DROP TABLESPACE {}").format(tablespace))
        shutil.rmtree(folder)
