"""A command in a process of its own, with the most memory that it ever held."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# A process is charged with what its parent held when it was started: a small one stands between it and the tests.
_PROGRAM = (
    "import resource, subprocess, sys\n"
    "done = subprocess.run([sys.executable, '-m', 'driftbreaker.cli', *sys.argv[1:]])\n"
    "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    "sys.exit(done.returncode)"
)


@dataclass(frozen=True)
class Measured:
    """What a command came to."""

    status: int
    stderr: str
    megabytes: float


def measured(*arguments: str, stdout: Path, seconds: float = 600) -> Measured:
    """Run a command, its data into a file."""
    with stdout.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            timeout=seconds,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
    *said, peak = done.stderr.splitlines()
    # Linux counts kilobytes, macOS bytes.
    return Measured(
        done.returncode, "\n".join(said), int(peak.split()[1]) / (1024 if sys.platform == "linux" else 2**20)
    )
