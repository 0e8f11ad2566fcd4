from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.tracking.track import track
from napari_unet_nuclei.core.tracking.tree import Branch, family_of
from tests.helpers.movies import discs


def test_a_mother_stands_midway_over_her_daughters():
    first = [{1: (8, 50, 50)}] * 2 + [{2: (6, 50, 42 - t), 3: (6, 50, 58 + t)} for t in range(3)]
    last = [{2: (6, 50, 39), 4: (5, 43, 61), 5: (5, 57, 61)}] * 2
    lineages = track(discs([*first, *last])).lineages
    family = (
        Branch(1, 0, 0, 1, 0.75),
        Branch(2, 1, 2, 6, 0.0),
        Branch(3, 1, 2, 4, 1.5),
        Branch(4, 3, 5, 6, 1.0),
        Branch(5, 3, 5, 6, 2.0),
    )
    assert {family_of(lineages, number) for number in (1, 2, 3, 4, 5)} == {family}
    assert family_of(lineages, 9) == ()


def test_a_nucleus_without_relatives_is_a_family_of_its_own():
    lineages = track(np.asarray(discs([{1: (6, 30, 30), 2: (6, 70, 70)}] * 3))).lineages
    assert family_of(lineages, 2) == (Branch(2, 0, 0, 2, 0.0),)
