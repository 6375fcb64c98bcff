"""The commands for those who ask later: who did what, when, and why."""
