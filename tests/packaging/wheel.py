"""Run in a fresh environment that holds the built wheel and what it requires, and nothing else."""

import subprocess
import sys
from importlib.metadata import files, version
from pathlib import Path

import driftbreaker

assert "site-packages" in driftbreaker.__file__, driftbreaker.__file__
assert version("driftbreaker") == driftbreaker.__version__
assert any(path.name == "py.typed" for path in files("driftbreaker") or ())
assert "sqlalchemy" not in sys.modules

from sqlalchemy import create_engine  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

engine = create_engine("sqlite://")
driftbreaker.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    breaker = driftbreaker.CircuitBreaker(session, "from-the-wheel")
    assert [breaker.report_drift(0.5) is not None for _ in range(3)] == [False, False, True]
    assert breaker.is_disabled()

command = Path(sys.executable).with_name("driftbreaker")
run = subprocess.run([command, "demo"], capture_output=True, text=True, check=False)
assert run.returncode == 2, run
assert run.stderr == "driftbreaker: the command line needs click: pip install 'driftbreaker[cli]'\n", run
print("the wheel works")
