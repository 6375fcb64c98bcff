"""The command line: `driftbreaker`, installed by the extra `driftbreaker[cli]`."""

import gc
import sys

MISSING_CLICK = "driftbreaker: the command line needs click: pip install 'driftbreaker[cli]'\n"
# What a command imports is kept till it ends: to look through it for garbage, again and again meanwhile and once more
# at the end, takes a quarter of what a short command takes.
GARBAGE_AFTER = 100_000


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(GARBAGE_AFTER)
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
