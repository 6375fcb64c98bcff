"""Doors to other people's libraries, each behind an extra of its own."""
