"""Two structures, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from ..checks import check_callable
from ..clean import clean_text
from ..errors import InvalidArgumentError, Unusable, UnusableScoreError
from .equal import equality
from .measuring import MAX_SCORE, ScoreFunction, measure
from .parts import ABSENT, Parts, take_apart

MAX_DEPTH = 100
MAX_NODES = 10_000

Path = tuple[str, ...]
Pair = tuple[Path, object, object]

_equal = equality()


def field_by_field(
    *, ignore: Iterable[str] = (), score: ScoreFunction | None = None, combine: Literal["share", "max"] = "share"
) -> Callable[[object, object], float]:
    """Make the score function that compares two structures leaf by leaf.

    Mappings, dataclasses (as mappings of their fields) and sequences (by position; text and bytes are none) are taken
    apart; everything else is a leaf, and so is an empty one of them.

    `ignore`: paths to leave out with all that is below them: names and positions joined by dots, ``*`` for any one of
    them (``"meta.id"``, ``"items.*.ts"``). `score`: for a pair of leaves, None for `equality()`; what it calls
    `not_a_number` is compared with ``==``, so that `relative_delta` may meet text.
    `combine`: ``"share"`` for the share of leaves with a score above 0, from 0.0 to 1.0, or ``"max"`` for the worst
    score of all leaves. What one side lacks, or has in another shape, differs with every leaf below it; under
    ``"max"`` that, and leaves that had to be compared with ``==``, score MAX_SCORE. Raises InvalidArgumentError.

    The function raises UnusableScoreError: of kind `too_large` beyond 10,000 fields or 100 levels, as cycles are, of
    kind `failed` for what cannot be taken apart, and what `score` raises for a leaf, with its path.
    """
    ignored = _check_ignore(ignore)
    of_leaves = _equal if score is None else score
    check_callable(of_leaves, "score")
    if combine not in ("share", "max"):
        raise InvalidArgumentError(f"combine must be 'share' or 'max', got {combine!r}")

    def of_structures(control: object, candidate: object) -> float:
        walk = _Walk(ignored, of_leaves)
        walk.compare(control, candidate)
        return walk.worst if combine == "max" else walk.share

    return of_structures


def _check_ignore(ignore: object) -> tuple[Path, ...]:
    if isinstance(ignore, (str, bytes)) or not isinstance(ignore, Iterable):
        raise InvalidArgumentError(f"ignore must be several paths, as in ignore=['meta.id'], got {ignore!r}")
    paths = list(ignore)
    for path in paths:
        if not isinstance(path, str) or not all(path.split(".")):
            raise InvalidArgumentError(f"a path to ignore must be names joined by single dots, got {path!r}")
    return tuple(tuple(path.split(".")) for path in paths)


class _Walk:
    """Compares one pair of structures, without recursion, within a budget of nodes."""

    def __init__(self, ignored: tuple[Path, ...], score: ScoreFunction) -> None:
        self.worst = 0.0
        self._leaves = 0
        self._differing = 0
        self._ignored = ignored
        self._score = score
        self._room = MAX_NODES

    @property
    def share(self) -> float:
        """The leaves that differ among all of them; 0.0 of none."""
        return self._differing / self._leaves if self._leaves else 0.0

    def compare(self, control: object, candidate: object) -> None:
        """Compare two structures with all that is below them, and add up what is found."""
        pending: list[Pair] = [((), control, candidate)]
        while pending:
            path, *both = pending.pop()
            try:
                pending.extend(self._visit(path, *both))
            except UnusableScoreError as error:
                raise UnusableScoreError(f"{error} (at {_named(path)})", error.kind) from error
            except Exception as error:
                raise UnusableScoreError(
                    f"looking at it raised {type(error).__name__} (at {_named(path)})", Unusable.FAILED
                ) from error

    def _visit(self, path: Path, control: object, candidate: object) -> list[Pair]:
        # One more than there is room for, so that too many show.
        old, new = (take_apart(each, self._room + 1) for each in (control, candidate))
        if old is None and new is None:
            self._tally(self._of_leaf(control, candidate))
            return []
        if old is None or new is None or old.named is not new.named:
            # It differs by itself, and so does every leaf below it on either side.
            self._tally(MAX_SCORE)
            return [*self._children(path, old, None), *self._children(path, None, new)]
        if not (old.items or new.items):
            self._tally(0.0)
        return self._children(path, old, new)

    def _children(self, path: Path, control: Parts | None, candidate: Parts | None) -> list[Pair]:
        old, new = (parts.items if parts else {} for parts in (control, candidate))
        keys = {**old, **new}
        # Paid for before any is looked at: ten thousand lists of ten thousand lists must not even be listed.
        self._room -= len(keys)
        if self._room < 0:
            raise _too_large(f"there are more than {MAX_NODES:,} fields")
        if keys and len(path) == MAX_DEPTH:
            raise _too_large(f"there are more than {MAX_DEPTH} levels, or it holds itself")
        below = [((*path, str.__str__(str(key))), old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
        return [pair for pair in below if not self._is_ignored(pair[0])]

    def _is_ignored(self, path: Path) -> bool:
        return any(
            len(path) == len(each) and all(want in ("*", have) for want, have in zip(each, path, strict=True))
            for each in self._ignored
        )

    def _of_leaf(self, control: object, candidate: object) -> float:
        if control is ABSENT or candidate is ABSENT:
            return MAX_SCORE
        try:
            return measure(self._score, control, candidate)
        except UnusableScoreError as error:
            if error.kind is not Unusable.NOT_A_NUMBER:
                raise
            return MAX_SCORE if _equal(control, candidate) else 0.0

    def _tally(self, score: float) -> None:
        self._leaves += 1
        self._differing += score > 0
        self.worst = max(self.worst, score)


def _too_large(what: str) -> UnusableScoreError:
    return UnusableScoreError(f"{what}: compare less of it, or its hash", Unusable.TOO_LARGE)


def _named(path: Path) -> str:
    return clean_text(".".join(path), 200) or "the top"
