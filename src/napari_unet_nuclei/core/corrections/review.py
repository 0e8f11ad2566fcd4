"""The review queue: which nuclei are still to be checked, what was decided on them, and undoable decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeAlias

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt import JUST_CHANGED, PLAUSIBLE, Candidate, doubt
from napari_unet_nuclei.core.labels.edit.edit import find_box, read_patch
from napari_unet_nuclei.core.labels.regions import extent, grown, slices, united
from napari_unet_nuclei.core.types import AnyArray, Index, Labels, QuantisedMaps, Region

Rename: TypeAlias = Callable[[Index, int], int]
"""Returns the new id of a nucleus of a plane."""

Key: TypeAlias = tuple[Index, int | tuple[float, float]]
"""Identifies a candidate: its plane, and its id or the centre of a nucleus that may have been missed."""

ACCEPT, DISMISS = "Accept", "No nucleus there"
"""Titles of decisions in the history."""

SURROUNDINGS = 128
"""Pixels around edited nuclei whose nuclei they are compared with."""

LARGEST_WINDOW = 4 * 2**20
"""Pixels of the largest window in which the doubt of edited nuclei is computed at once: in a larger one, the user would
notice the delay after an edit."""


def _key(candidate: Candidate) -> Key:
    return candidate.plane, candidate.id or candidate.centre


@dataclass
class Verdicts:
    """Decisions of the user."""

    accepted: set[tuple[Index, int]] = field(default_factory=set)  # nuclei that are right, or that the user made
    dismissed: set[tuple[Index, Region]] = field(default_factory=set)  # places that hold no nucleus

    def verdict(
        self,
        box: tuple[slice, ...],
        accepted: Iterable[tuple[Index, int]] = (),
        dismissed: Iterable[tuple[Index, Region]] = (),
    ) -> Verdict:
        """Return the change that adds those decisions that are new."""
        return Verdict(self, box, frozenset(accepted) - self.accepted, frozenset(dismissed) - self.dismissed)

    def rename(self, new_id: Rename) -> None:
        """Give nuclei other ids: decisions on them stay."""
        self.accepted = {(plane, new_id(plane, nucleus)) for plane, nucleus in self.accepted}

    def accepts(self, plane: Index, nuclei: Iterable[int]) -> bool:
        """Return whether all given nuclei were accepted."""
        return all((plane, nucleus) in self.accepted for nucleus in nuclei)

    def dismisses(self, candidate: Candidate) -> bool:
        """Return whether the place of a candidate was dismissed."""
        y, x = candidate.centre
        # By its centre too, for the box of a place changes a little with maps and thresholds.
        return (candidate.plane, candidate.box) in self.dismissed or any(
            plane == candidate.plane and y0 <= y < y1 and x0 <= x < x1 for plane, (y0, y1, x0, x1) in self.dismissed
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """A decision in the history: applied and reverted like an edit, but it changes no pixel.

    Attributes
    ----------
    verdicts : Verdicts
        Modified in place.
    box : tuple of slice
        Over all axes of the labels.
    accepted, dismissed : frozenset
        Decisions to add.
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
        """Empty: no pixel changes."""
        return ()

    def apply(self, labels: AnyArray) -> None:
        """Add the decisions."""
        self.verdicts.accepted |= self.accepted
        self.verdicts.dismissed |= self.dismissed

    def revert(self, labels: AnyArray) -> None:
        """Remove the decisions."""
        self.verdicts.accepted -= self.accepted
        self.verdicts.dismissed -= self.dismissed

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Return whether all decisions are in force (``applied``), or none is."""
        if applied:
            return self.accepted <= self.verdicts.accepted and self.dismissed <= self.verdicts.dismissed
        return self.accepted.isdisjoint(self.verdicts.accepted) and self.dismissed.isdisjoint(self.verdicts.dismissed)


@dataclass(frozen=True)
class Tally:
    """Numbers of candidates: doubtful ones that are decided, and undecided ones that are doubtful or look right."""

    decided: int = 0
    doubtful: int = 0
    right: int = 0


@dataclass
class Review:
    """The queue of one labels layer."""

    verdicts: Verdicts
    is_background: Callable[[Candidate], bool]  # tells whether the centre of a candidate is background now
    with_link: Callable[[Candidate], Candidate] | None = None
    """Given nuclei that are followed over time: returns the candidate with the doubt of its link, if it is doubtful."""
    _planes: dict[Index, dict[Key, Candidate]] = field(default_factory=dict)
    _skipped: list[Key] = field(default_factory=list)

    def is_listed(self, plane: Index) -> bool:
        """Return whether the candidates of a plane are known."""
        return plane in self._planes

    def list_plane(self, plane: Index, candidates: Iterable[Candidate]) -> None:
        """Set all candidates of a plane."""
        self._planes[plane] = {_key(candidate): candidate for candidate in candidates}

    def update(self, plane: Index, nuclei: Iterable[int], candidates: Iterable[Candidate]) -> None:
        """Replace the candidates of some nuclei of a listed plane; a nucleus without a new candidate is removed."""
        if plane not in self._planes:
            return
        for nucleus in nuclei:
            self._planes[plane].pop((plane, nucleus), None)
        self._planes[plane].update({_key(candidate): candidate for candidate in candidates})

    def rename(self, new_id: Rename) -> None:
        """Give nuclei other ids; their order in the queue stays."""
        self._skipped = [(plane, new_id(plane, one) if isinstance(one, int) else one) for plane, one in self._skipped]
        for plane, listed in self._planes.items():
            renamed = [replace(one, id=new_id(plane, one.id)) if one.id else one for one in listed.values()]
            self._planes[plane] = {_key(candidate): candidate for candidate in renamed}

    def clear(self) -> None:
        """Forget all candidates."""
        self._planes.clear()
        self._skipped.clear()

    def find(self, plane: Index, nucleus: int) -> Candidate | None:
        """Return the candidate of a nucleus; None where its plane is not listed or the nucleus does not exist."""
        candidate = self._planes.get(plane, {}).get((plane, nucleus))
        return candidate if candidate is None or self.with_link is None else self.with_link(candidate)

    def boxes(self, plane: Index, nuclei: Iterable[int]) -> dict[int, Region] | None:
        """Return the known boxes of nuclei; None where the plane is not listed."""
        if not self.is_listed(plane):
            return None
        candidates = (self.find(plane, nucleus) for nucleus in nuclei)
        return {candidate.id: candidate.box for candidate in candidates if candidate is not None}

    def skip(self, candidate: Candidate) -> None:
        """Move a candidate to the end of the queue."""
        key = _key(candidate)
        # Skipped once more, it goes behind all that were skipped meanwhile.
        self._skipped = [*(one for one in self._skipped if one != key), key]

    def is_pending(self, candidate: Candidate) -> bool:
        """Return whether a candidate still exists and is undecided."""
        if _key(candidate) not in self._planes.get(candidate.plane, {}) or not self._exists(candidate):
            return False
        if candidate.kind == "found":
            is_accepted = (candidate.plane, candidate.id) in self.verdicts.accepted
            return not is_accepted or self._has_doubtful_link(candidate)
        return not self.verdicts.dismisses(candidate)

    def pending(self, plane: Index | None) -> list[Candidate]:
        """List the undecided candidates of a plane, or of all planes: most doubtful first, skipped ones last."""
        left = self._undecided(plane)
        skipped = set(self._skipped)
        waiting = [candidate for key, candidate in left.items() if key not in skipped]
        waiting.sort(key=attrgetter("doubt"), reverse=True)
        return [*waiting, *(left[key] for key in self._skipped if key in left)]

    def tally(self, plane: Index | None) -> Tally:
        """Count what is doubtful and what looks right."""
        left = self._undecided(plane).values()
        doubtful = sum(candidate.doubt > PLAUSIBLE for candidate in left)
        existing = sum(
            candidate.doubt > PLAUSIBLE and self._exists(candidate) for candidate in self._candidates(plane).values()
        )
        return Tally(decided=existing - doubtful, doubtful=doubtful, right=len(left) - doubtful)

    def count(self, plane: Index | None) -> tuple[int, int]:
        """Return the number of decided and of undecided candidates."""
        existing = sum(map(self._exists, self._candidates(plane).values()))
        left = len(self._undecided(plane))
        return existing - left, left

    def _exists(self, candidate: Candidate) -> bool:
        """Return False where a nucleus seemed to be missed and has been added since."""
        return candidate.kind == "found" or self.is_background(candidate)

    def _undecided(self, plane: Index | None) -> dict[Key, Candidate]:
        """Return what `is_pending` of a plane, or of all planes."""
        # The key of a nucleus is what is accepted: one look for each, as there may be tens of thousands.
        accepted = self.verdicts.accepted
        return {
            key: candidate
            for key, candidate in self._candidates(plane).items()
            if (candidate.kind == "found" and key not in accepted) or self.is_pending(candidate)
        }

    def _has_doubtful_link(self, candidate: Candidate) -> bool:
        found = self.find(candidate.plane, candidate.id)
        return found is not None and found.link >= 0

    def _candidates(self, plane: Index | None) -> Mapping[Key, Candidate]:
        listed: Mapping[Key, Candidate]
        if plane is not None:
            listed = self._planes.get(plane, {})
        else:
            listed = {key: candidate for of_plane in self._planes.values() for key, candidate in of_plane.items()}
        if self.with_link is None:
            return listed
        return {key: self.with_link(candidate) for key, candidate in listed.items()}


def boxes_after_edit(
    plane: AnyArray, nuclei: Iterable[int], region: Region, known: Mapping[int, Region] | None
) -> dict[int, Region]:
    """Find the boxes of nuclei that were changed within a region; deleted nuclei are left out.

    ``known`` holds the boxes of all nuclei of the plane before the change: a brush may add pixels far from the rest of
    a nucleus. Without them the whole plane is searched.
    """
    patch = read_patch(plane, region)
    found = {}
    for nucleus in nuclei:
        inside = patch == nucleus
        hints = [extent(inside, region)] if inside.any() else []
        if known is not None and nucleus in known:
            hints.append(known[nucleus])
        if not hints and known is not None:
            continue
        try:
            found[nucleus] = find_box(plane, nucleus, united(hints) if known is not None else None)
        except EditError:
            continue
    return found


def candidates_after_edit(
    plane: Labels,
    maps: QuantisedMaps | None,
    thresholds: DecodeThresholds | None,
    index: Index,
    boxes: Mapping[int, Region],
) -> list[Candidate]:
    """Compute the doubt of edited nuclei anew, by comparison with those around them."""
    if not boxes:
        return []
    # With neighbours, because sizes and shapes are judged by comparison.
    window = grown(united(list(boxes.values())), SURROUNDINGS, plane.shape)
    y, x = window[0], window[2]
    if (window[1] - y) * (window[3] - x) > LARGEST_WINDOW:
        return [_just_changed(index, nucleus, box) for nucleus, box in boxes.items()]
    seen = None if maps is None else maps[:, *slices(window)]
    return [
        replace(
            one,
            plane=index,
            centre=(one.centre[0] + y, one.centre[1] + x),
            box=(one.box[0] + y, one.box[1] + y, one.box[2] + x, one.box[3] + x),
        )
        for one in doubt(plane[slices(window)], seen, thresholds, with_missed=False)
        if one.id in boxes
    ]


def _just_changed(index: Index, nucleus: int, box: Region) -> Candidate:
    y0, y1, x0, x1 = box
    # Boxes end behind their last pixel, so the middle is half a pixel before theirs.
    return Candidate(nucleus, "found", 0.0, JUST_CHANGED, ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2), box, index)
