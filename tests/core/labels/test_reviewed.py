from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_nuclei.core.labels.reviewed import trusted, within

LABELS = np.array([[1, 1, 0, 2, 2, 2], [1, 1, 0, 2, 2, 2], [0, 0, 0, 3, 0, 0]])


def test_a_nucleus_that_the_edge_cuts_is_not_trusted():
    reviewed = np.zeros(LABELS.shape, bool)
    reviewed[:, 2:5] = True
    np.testing.assert_array_equal(
        trusted(LABELS, reviewed), [[0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0]]
    )


def test_nuclei_are_judged_where_most_of_them_was_reviewed():
    reviewed = np.zeros(LABELS.shape, bool)
    reviewed[:, 1:4] = True
    np.testing.assert_array_equal(within(LABELS, reviewed), np.where(LABELS == 2, 0, LABELS))


@given(arrays(np.int32, (4, 5), elements=st.integers(0, 4)), arrays(bool, (4, 5)))
def test_what_is_trusted_was_reviewed_and_holds_whole_nuclei(labels, reviewed):
    kept = trusted(labels, reviewed)
    assert not (kept & ~reviewed).any()
    for number in set(labels[kept].tolist()) - {0}:
        assert kept[labels == number].all()
    np.testing.assert_array_equal(within(np.where(kept, labels, 0), kept)[kept], labels[kept])


def test_everything_reviewed_leaves_everything():
    everywhere = np.ones(LABELS.shape, bool)
    assert trusted(LABELS, everywhere).all()
    np.testing.assert_array_equal(within(LABELS, everywhere), LABELS)
