"""Ctrl-C in a command that goes on for long."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupts:
    """Keeps it in mind that Ctrl-C was pressed.

    Python drops what is raised within a finaliser or a driver's callback: pressed just then, it would be lost, and a
    command that only rests and looks would never end.
    """

    def __init__(self) -> None:
        self._pressed = False
        self._before: Any = None

    def __enter__(self) -> Self:
        # Only where it would have raised: a shell lets what runs in the background ignore it.
        is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_ours and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def raise_again(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed, whatever became of the first one."""
        if self._pressed:
            raise KeyboardInterrupt

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        self._pressed = True
        raise KeyboardInterrupt
