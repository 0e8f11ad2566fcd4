"""The review queue: what is left to look at, what was decided, and how a decision is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from napari_unet_nuclei.core.labels.doubt.doubt import Candidate
from napari_unet_nuclei.core.types import AnyArray, Region
from napari_unet_nuclei.gui.viewer.corrected_layer import Index

Key: TypeAlias = tuple[Index, int | tuple[float, float]]
"""Of a candidate: its plane, and its id, or where one may have been missed."""

ACCEPT, DISMISS = "Accept", "No nucleus there"
"""Titles of what the history keeps that changes no pixel."""


def key_of(candidate: Candidate) -> Key:
    """Return what tells a candidate from all others."""
    return candidate.plane, candidate.id or candidate.centre


@dataclass
class Verdicts:
    """What the user has decided.

    Attributes
    ----------
    accepted : set of (Index, int)
        Nuclei that are right, or that the user made.
    dismissed : set of (Index, Region)
        Places where no nucleus is.
    """

    accepted: set[tuple[Index, int]] = field(default_factory=set)
    dismissed: set[tuple[Index, Region]] = field(default_factory=set)

    def verdict(
        self,
        box: tuple[slice, ...],
        accepted: Iterable[tuple[Index, int]] = (),
        dismissed: Iterable[tuple[Index, Region]] = (),
    ) -> Verdict:
        """Return a change that decides what is not decided yet."""
        return Verdict(self, box, frozenset(accepted) - self.accepted, frozenset(dismissed) - self.dismissed)

    def accepts(self, plane: Index, nuclei: Iterable[int]) -> bool:
        """Tell whether all of some nuclei were accepted."""
        return all((plane, nucleus) in self.accepted for nucleus in nuclei)

    def dismisses(self, candidate: Candidate) -> bool:
        """Tell whether a place where one may have been missed was dismissed."""
        if (candidate.plane, candidate.box) in self.dismissed:
            return True
        y, x = candidate.centre
        return any(
            plane == candidate.plane and y0 <= y < y1 and x0 <= x < x1 for plane, (y0, y1, x0, x1) in self.dismissed
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """A decision as the history keeps it: it is made and taken back like an edit, and changes no pixel.

    Attributes
    ----------
    verdicts : Verdicts
        What is changed.
    box : tuple of slice
        Over all axes of the labels.
    accepted, dismissed : frozenset
        What is added.
    """

    verdicts: Verdicts
    box: tuple[slice, ...]
    accepted: frozenset[tuple[Index, int]]
    dismissed: frozenset[tuple[Index, Region]]

    @property
    def is_empty(self) -> bool:
        """True where everything had been decided before."""
        return not self.accepted and not self.dismissed

    @property
    def touched(self) -> tuple[int, ...]:
        """No pixel of any nucleus changes."""
        return ()

    def apply(self, labels: AnyArray) -> None:
        """Decide."""
        self.verdicts.accepted |= self.accepted
        self.verdicts.dismissed |= self.dismissed

    def revert(self, labels: AnyArray) -> None:
        """Take it back."""
        self.verdicts.accepted -= self.accepted
        self.verdicts.dismissed -= self.dismissed

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Tell whether it is decided (``applied``), or else not decided yet."""
        if applied:
            return self.accepted <= self.verdicts.accepted and self.dismissed <= self.verdicts.dismissed
        return self.accepted.isdisjoint(self.verdicts.accepted) and self.dismissed.isdisjoint(self.verdicts.dismissed)


@dataclass
class Review:
    """The queue of one labels layer.

    Attributes
    ----------
    verdicts : Verdicts
    is_background : callable
        Tells whether a candidate's centre carries no label now.
    """

    verdicts: Verdicts
    is_background: Callable[[Candidate], bool]
    _planes: dict[Index, dict[Key, Candidate]] = field(default_factory=dict)
    _skipped: list[Key] = field(default_factory=list)

    def is_listed(self, plane: Index) -> bool:
        """Tell whether the candidates of a plane are known."""
        return plane in self._planes

    def list_plane(self, plane: Index, candidates: Iterable[Candidate]) -> None:
        """Take over all candidates of a plane."""
        self._planes[plane] = {key_of(candidate): candidate for candidate in candidates}

    def update(self, plane: Index, nuclei: Iterable[int], candidates: Iterable[Candidate]) -> None:
        """Replace some nuclei of a listed plane by what has become of them; those without a candidate are gone."""
        if plane not in self._planes:
            return
        for nucleus in nuclei:
            self._planes[plane].pop((plane, nucleus), None)
        self._planes[plane].update({key_of(candidate): candidate for candidate in candidates})

    def clear(self) -> None:
        """Forget all candidates, as for other labels."""
        self._planes.clear()
        self._skipped.clear()

    def find(self, plane: Index, nucleus: int) -> Candidate | None:
        """Return the candidate of a nucleus; None where its plane is not listed, or it is not there."""
        return self._planes.get(plane, {}).get((plane, nucleus))

    def skip(self, candidate: Candidate) -> None:
        """Put a candidate behind all others."""
        key = key_of(candidate)
        self._skipped = [*(one for one in self._skipped if one != key), key]

    def is_pending(self, candidate: Candidate) -> bool:
        """Tell whether nothing has been decided on a candidate that is still there."""
        key = key_of(candidate)
        if key not in self._planes.get(candidate.plane, {}) or not self._is_there(candidate):
            return False
        if candidate.kind == "found":
            return (candidate.plane, candidate.id) not in self.verdicts.accepted
        return not self.verdicts.dismisses(candidate)

    def pending(self, plane: Index | None) -> list[Candidate]:
        """List what is left on a plane, or on all that are listed: most doubtful first, what was skipped last."""
        skipped = {key: number for number, key in enumerate(self._skipped)}
        left = [candidate for candidate in self._candidates(plane) if self.is_pending(candidate)]
        return sorted(left, key=lambda candidate: (skipped.get(key_of(candidate), -1), -candidate.doubt))

    def count(self, plane: Index | None) -> tuple[int, int]:
        """Return how many candidates are done and how many are left."""
        there = [candidate for candidate in self._candidates(plane) if self._is_there(candidate)]
        left = sum(map(self.is_pending, there))
        return len(there) - left, left

    def _is_there(self, candidate: Candidate) -> bool:
        """Tell whether a candidate is still one: where a nucleus may have been missed, one may be labelled now."""
        return candidate.kind == "found" or self.is_background(candidate)

    def _candidates(self, plane: Index | None) -> list[Candidate]:
        planes = self._planes.values() if plane is None else [self._planes.get(plane, {})]
        return [candidate for listed in planes for candidate in listed.values()]
