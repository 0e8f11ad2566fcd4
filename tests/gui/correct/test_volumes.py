"""Nuclei in three dimensions in the dock *Correct nuclei*: a row for each of their planes."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel

from tests.helpers.correcting import segmented


def test_nuclei_that_extend_through_planes_have_a_row_for_each(modest_bench) -> None:
    image, labels, metadata = segmented(3)
    volumes = np.stack([labels[0]] * 3)
    metadata["nuclei"] |= {"maps": None}
    viewer = ViewerModel()
    viewer.add_image(image, name="DAPI")
    layer = viewer.add_labels(volumes, name="DAPI labels", metadata=metadata)
    bench = modest_bench(viewer)
    bench.qtbot.waitUntil(lambda: "accepted" in layer.features.columns, timeout=30_000)
    assert len(layer.features) == 3 * volumes.max()
    assert set(layer.features["z"]) == {0, 1, 2}
