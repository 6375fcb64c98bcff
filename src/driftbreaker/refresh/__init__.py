"""Keeps a process's snapshot fresh: polls, listens, reconnects for ever, and survives a fork."""

from .thread import Switchboard

__all__ = ["Switchboard"]
