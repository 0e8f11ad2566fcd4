"""The lineage of a nucleus as a drawing: where each track of its family stands, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_unet_nuclei.core.tracking.lineage import Lineages


@dataclass(frozen=True)
class Branch:
    """One track of a family.

    Attributes
    ----------
    track, parent : int
        Ids; the parent is 0 for the root.
    first, last : int
        Frames.
    place : float
        Where it stands among the leaves of the family, which are at 0, 1, ...; a mother stands midway over her
        daughters.
    """

    track: int
    parent: int
    first: int
    last: int
    place: float


def family_of(lineages: Lineages, track: int) -> tuple[Branch, ...]:
    """Return all tracks that have the root of a track, the root first; empty if there is no such track."""
    ids = lineages.ids
    here = int(np.searchsorted(ids, track))
    if here == len(ids) or ids[here] != track:
        return ()
    members = np.flatnonzero(lineages.root == lineages.root[here])
    frame = lineages.spots.frame
    daughters: dict[int, list[int]] = {}
    for member in members[np.argsort(frame[lineages.first[members]], kind="stable")]:
        daughters.setdefault(int(lineages.parent[member]), []).append(int(member))
    places: dict[int, float] = {}
    order: list[int] = []
    # Depth first, without recursion: a long movie may have more generations than Python has frames.
    stack = [(daughters[0][0], False)]
    leaves = 0
    while stack:
        member, is_done = stack.pop()
        born = daughters.get(int(ids[member]), [])
        if is_done:
            places[member] = sum(places[one] for one in born) / len(born)
        elif born:
            order.append(member)
            stack += [(member, True), *((one, False) for one in reversed(born))]
        else:
            order.append(member)
            places[member], leaves = float(leaves), leaves + 1
    return tuple(
        Branch(
            int(ids[member]),
            int(lineages.parent[member]),
            int(frame[lineages.first[member]]),
            int(frame[lineages.last[member]]),
            places[member],
        )
        for member in order
    )
