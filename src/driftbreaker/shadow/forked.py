"""What begins again in a forked child."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..forks import tell_of_forks


class BeginsAgain(ABC):
    """Has locks, threads or tasks, of which a child has only copies that nobody will ever release or end."""

    def __init__(self) -> None:
        self.begin_again()
        tell_of_forks(self)

    @abstractmethod
    def begin_again(self) -> None:
        """Make new ones."""

    def before_fork(self) -> None:  # noqa: B027  most need nothing here
        """Nothing has to be waited for: the parent goes on with what is under way."""

    def after_fork_in_parent(self) -> None:  # noqa: B027  nor here
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is under way there."""
        self.begin_again()
