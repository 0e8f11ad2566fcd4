"""Correcting labels that the dock *Segment nuclei* still follows with its sliders."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.gui.segment.job import SegmentAnswer, labels_layer
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.viewer.corrected_layer import corrected_layer
from napari_unet_nuclei.gui.viewer.layers import describe_layer
from tests.helpers.correcting import Bench

SMALLER_DROPPED = DecodeThresholds(0.5, 0.5, 50)


@pytest.fixture
def live(qtbot, squares) -> LiveLabels:
    request, result = squares
    viewer = ViewerModel()
    image = describe_layer(
        viewer.add_image(request.source.array, name="DAPI", scale=(0.5, 0.5), units=("µm",) * 2), "YX"
    )
    table = measure_result(result, request)
    layer = labels_layer(result, image, table)
    return LiveLabels(
        viewer, SegmentAnswer(image=image, request=request, result=result, layer=layer, table=table, devices=("cpu",))
    )


@pytest.fixture
def bench(live, modest_bench) -> Bench:
    return modest_bench(live._viewer)


def test_rows_of_touched_nuclei_are_as_if_all_had_been_measured_anew(live, bench):
    before = live.layer.features.drop(columns="accepted")
    bench.dock.navigator.frame_nuclei((), [3])
    bench.dock.do("split")
    bench.settle()
    table = live.layer.features
    assert list(table.columns) == [*before.columns, "accepted"]
    assert table["label"].tolist() == [1, 2, 3, 4]
    assert table["accepted"].tolist() == [False, False, True, True]
    measured = ["area_px", "area_um2", "centroid_x", "intensity_mean", "solidity", "confidence"]
    for name in measured:
        np.testing.assert_array_equal(table[name][:2], before[name][:2])
    assert table["area_um2"].tolist() == (table["area_px"] / 4).tolist()
    assert table["confidence"][2:].between(0.5, 1).all()
    bench.dock.do("undo")
    bench.settle()
    again = live.layer.features.drop(columns="accepted")
    np.testing.assert_allclose(again.to_numpy(float), before.to_numpy(float))


def test_a_slider_gives_other_nuclei_to_review_until_they_are_corrected(qtbot, live, bench):
    tally = bench.session.review.tally(())
    assert bench.dock.queue_panel.count_label.text() == f"{tally.doubtful} doubtful · {tally.right} look right"
    assert tally.doubtful + tally.right == 3
    with qtbot.waitSignal(live.labels_changed):
        live.apply(SMALLER_DROPPED)
    bench.settle()
    qtbot.waitUntil(lambda: not live.is_busy)
    bench.settle()
    assert len([one for one in bench.session.review.pending(()) if one.kind == "found"]) == 2
    bench.dock.navigator.frame_nuclei((), [3])
    bench.dock.do("delete")
    corrected, kept = live.layer, live.layer.data.copy()
    with qtbot.waitSignal(live.layer_added):
        live.apply(DecodeThresholds(0.5, 0.5, 10))
    assert live.layer != corrected
    np.testing.assert_array_equal(corrected.data, kept)
    assert corrected.features["label"].tolist() == [2]


@pytest.mark.parametrize(
    ("provenance", "is_bright"),
    [
        ({"kind": "brightfield"}, True),
        ({"kind": "fluorescence"}, False),
        ({"inverted": True}, True),
        ({"inverted": False}, False),
        ({}, True),
    ],
)
def test_dark_nuclei_on_bright_are_told_by_how_they_were_segmented_else_by_colour(provenance, is_bright):
    labels = Labels(np.eye(8, dtype=np.int32), metadata={"nuclei": {"provenance": provenance}})
    picture = Image(np.full((8, 8, 3), 200, np.uint8), rgb=True)
    assert corrected_layer(labels, picture).is_bright is is_bright


def test_the_channel_that_was_read_is_found_again():
    channels = Image(np.zeros((3, 8, 8), np.uint16), axis_labels=("c", "y", "x"))
    for provenance, channel in (
        ({"channels": [2], "settings": {"channel_auto": False, "channel": "Cy5"}}, 2),
        ({"settings": {"channel_auto": False, "channel": 1}}, 1),
        ({"channels": [0, 1, 2], "kind": "brightfield"}, None),
    ):
        labels = Labels(np.eye(8, dtype=np.int32), metadata={"nuclei": {"provenance": provenance}})
        assert corrected_layer(labels, channels).nuclei_channel == channel
