"""The command line: `driftbreaker`, installed by the extra `driftbreaker[cli]`."""

import gc
import os
import sys

MISSING_CLICK = "driftbreaker: the command line needs click: pip install 'driftbreaker[cli]'\n"
# What a command imports is kept till it ends: to look through it for garbage, again and again meanwhile and once more
# at the end, takes a quarter of what a short command takes.
GARBAGE_AFTER = 100_000


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(GARBAGE_AFTER)
    _open_closed_streams()
    try:
        from driftbreaker.cli.app import app

        app(prog_name="driftbreaker")
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(MISSING_CLICK)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        # Pressed before there was a command to stop.
        raise SystemExit(130) from None
    finally:
        gc.freeze()


def _open_closed_streams() -> None:
    """Let a stream that a shell has closed (`>&-`) go nowhere: the next file to be opened would be in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for as long as we run
