"""Ctrl-C ends a command without a traceback, whatever it was about to do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.terminal import Place

PRESSED = """
import signal, sys
from driftbreaker.cli import main

def press(frame, what, _):
    if what == "call" and frame.f_code.co_name == {moment!r}:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

sys.argv = ["driftbreaker", "list", "--db", {url!r}]
sys.setprofile(press)
main()
"""


@pytest.mark.parametrize("moment", ["connect", "do_execute", "do_rollback", "do_close"])
def test_ctrl_c_at_any_moment_is_one_word(place: Place, moment: str) -> None:
    place.disable("pricing")
    program = PRESSED.format(moment=moment, url=place.url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
