"""Nuclei in three dimensions in the dock *Correct nuclei*."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.core.corrections.review import ACCEPT
from napari_unet_nuclei.core.labels.edit.single import delete
from napari_unet_nuclei.core.labels.edit.volume import cut_from
from napari_unet_nuclei.core.labels.measure.volumes import measure_volumes
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.viewer.measure_request import ask, measure_layers
from napari_unet_nuclei.gui.viewer.nuclei_table import accepted_in
from tests.helpers.correcting import balls, segmented


def test_nuclei_of_single_planes_have_a_row_for_each_plane(modest_bench) -> None:
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


def test_a_volume_keeps_one_row_through_edits_and_undo(qtbot) -> None:
    image, labels, metadata = balls()
    sizes = {"pixel_size_z": 2.0, "pixel_size_y": 0.5, "pixel_size_x": 0.5}
    table = measure_volumes(labels, {"DAPI": image}, **sizes).assign(score=[0.9, 0.8, 0.7, 0.6])
    metadata["nuclei"]["provenance"] |= {"pixel_size_um": [0.5, 0.5], "z_spacing": {"pixels": 4.0, "um": 2.0}}
    viewer = ViewerModel()
    shown = viewer.add_image(image, name="DAPI", scale=(2, 0.5, 0.5), units="µm")
    layer = viewer.add_labels(
        labels.copy(),
        metadata=metadata,
        features=table.assign(index=table["label"]),
        scale=(2, 0.5, 0.5),
        units="µm",
    )
    session = CorrectSession(layer, shown)
    session.look((4,))
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)

    def measured() -> pd.DataFrame:
        return layer.features[list(table.columns)]

    pd.testing.assert_frame_equal(measured(), table)
    # In the middle of the depth: nucleus 4 from plane 4 on, and a hole through two others.
    session.edit_stack((4,), cut_from(labels, 4, 4, session.next_id))
    anew = measure_volumes(layer.data, {"DAPI": image}, **sizes).assign(score=[0.9, 0.8, 0.7, np.nan, np.nan])
    pd.testing.assert_frame_equal(measured(), anew)
    assert layer.features["accepted"].tolist() == [False, False, False, True, True]
    session.edit((2,), delete(session.corrected.view[2], 2))
    anew = measure_volumes(layer.data, {"DAPI": image}, **sizes).assign(score=[0.9, np.nan, 0.7, np.nan, np.nan])
    pd.testing.assert_frame_equal(measured(), anew)
    for _ in range(2):
        session.undo()
    pd.testing.assert_frame_equal(measured(), table)
    session.decide(ACCEPT, (4,), (32, 53, 50, 71), [((z,), 4) for z in (2, 3, 4, 5, 6)])
    # Decisions are found again in the table, in all planes of the nucleus.
    assert accepted_in(session.corrected, layer.features) == {((z,), 4) for z in (2, 3, 4, 5, 6)}
    # And *Measure nuclei* keeps the scores.
    request = ask(layer, [shown])
    again = measure_layers(request, request.labels.copied(), layer.features, Silent()).table
    assert again["score"].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert again["volume_um3"].tolist() == table["volume_um3"].tolist()
    session.close()


def show(bench, plane: int) -> None:
    bench.viewer.dims.set_current_step(0, plane)
    bench.settle()


def test_deleting_and_joining_act_through_all_planes_and_are_one_step_of_undo(volume_bench) -> None:
    bench = volume_bench()
    before = bench.layer.data.copy()
    show(bench, 2)
    bench.click(20, 20)
    bench.key("D")
    assert np.array_equal(bench.layer.data, np.where(before == 1, 0, before))
    assert 1 not in set(bench.layer.features["label"])
    assert bench.status.startswith("Deleted nucleus 1 in 5 planes.")
    bench.undo()
    assert np.array_equal(bench.layer.data, before)
    assert 1 in set(bench.layer.features["label"])
    bench.redo()
    assert not (bench.layer.data == 1).any()
    bench.undo()
    # The neighbour that touches most, here beside it.
    bench.click(20, 39)
    bench.key("J")
    assert np.array_equal(bench.layer.data, np.where(before == 1, 2, before))
    bench.undo()
    assert np.array_equal(bench.layer.data, before)
    # Clicked in different planes, for they lie on top of each other.
    show(bench, 1)
    bench.key("U")
    bench.click(20, 20)
    show(bench, 7)
    bench.click(20, 20)
    assert np.array_equal(bench.layer.data, np.where(before == 3, 1, before))
    bench.undo()
    assert np.array_equal(bench.layer.data, before)


def test_a_nucleus_is_split_at_its_waist_or_by_clicks_in_several_planes(volume_bench) -> None:
    bench = volume_bench()
    before = bench.layer.data.copy()
    # Nuclei 1 and 3, which lie on top of each other, as one.
    bench.layer.data = np.where(before == 3, 1, before)
    bench.settle()
    show(bench, 1)
    bench.click(20, 20)
    bench.key("S")
    assert bench.layer.data[1, 20, 20] != bench.layer.data[7, 20, 20]
    assert set(np.unique(bench.layer.data)) == {0, 1, 2, 4, 5}
    bench.undo()
    bench.key("T")
    bench.click(20, 20)
    show(bench, 7)
    bench.click(20, 20)
    bench.key("T")
    after = bench.layer.data
    assert set(np.unique(after)) == {0, 1, 2, 4, 6}
    assert after[1, 20, 20] != after[7, 20, 20]
    assert np.array_equal(after > 0, before > 0)
    bench.undo()
    assert np.array_equal(bench.layer.data, np.where(before == 3, 1, before))


def test_from_the_shown_plane_on_a_nucleus_becomes_another(volume_bench) -> None:
    bench = volume_bench()
    before = bench.layer.data.copy()
    show(bench, 4)
    bench.click(42, 60)
    bench.dock.tools_panel.more_box.expand(animate=False)
    bench.settle()
    bench.press(bench.dock.tools_panel.volume_commands.buttons["cut_here"])
    after = bench.layer.data.copy()
    assert np.array_equal(after[:4], before[:4])
    assert np.array_equal(after[4:], np.where(before[4:] == 4, 5, before[4:]))
    bench.undo()
    assert np.array_equal(bench.layer.data, before)
    bench.activate()
    bench.click(42, 60)
    bench.key("C")
    # An id that was undone is not given again.
    assert np.array_equal(bench.layer.data[4:], np.where(before[4:] == 4, 6, before[4:]))


def test_planes_between_painted_ones_are_filled(volume_bench) -> None:
    bench = volume_bench()
    painted = bench.layer.data.copy()
    painted[3:6][painted[3:6] == 4] = 0
    bench.layer.data = painted
    bench.settle()
    show(bench, 2)
    bench.click(42, 60)
    bench.dock.tools_panel.more_box.expand(animate=False)
    bench.settle()
    bench.press(bench.dock.tools_panel.volume_commands.buttons["fill_planes"])
    assert (bench.layer.data[2:7, 42, 60] == 4).all()
    assert np.array_equal(bench.layer.data[painted > 0], painted[painted > 0])
    bench.undo()
    assert np.array_equal(bench.layer.data, painted)


def test_labels_of_single_planes_have_no_tools_for_volumes(modest_bench) -> None:
    image, labels, metadata = segmented(3)
    viewer = ViewerModel()
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels, name="DAPI labels", metadata=metadata)
    bench = modest_bench(viewer)
    bench.dock.tools_panel.more_box.expand(animate=False)
    assert bench.dock.tools_panel.more_commands.isVisible()
    assert not bench.dock.tools_panel.volume_commands.isVisible()
    bench.dock.do("cut_here")
    assert "extend through planes" in bench.status


def test_the_queue_walks_nuclei_and_not_their_sections(volume_bench) -> None:
    bench = volume_bench()
    assert not bench.dock.queue_panel.scope_box.isVisible()
    assert bench.session.review.count(None) == (0, 4)
    places = set()
    for _ in range(4):
        bench.key("N")
        [nucleus] = bench.framed
        planes = np.unique(np.nonzero(bench.layer.data == nucleus)[0])
        assert bench.dock.navigator.plane == (planes[len(planes) // 2],)
        _, yy, xx = np.nonzero(bench.layer.data == nucleus)
        box = bench.dock.navigator.framed.candidate.box
        assert box == (yy.min(), yy.max() + 1, xx.min(), xx.max() + 1)
        places.add(nucleus)
    assert places == {1, 2, 3, 4}
    # Accepted in all planes, and asked for again once that is undone.
    bench.key("A")
    features = bench.layer.features
    assert features["label"][features["accepted"]].tolist() == [nucleus]
    assert bench.session.review.count(None) == (1, 3)
    bench.undo()
    assert bench.framed == [nucleus]
    # One that was edited is right in all planes; undone, it is as doubtful as before.
    before = bench.session.review.pending(None)
    show(bench, 4)
    bench.click(42, 60)
    bench.key("C")
    assert bench.session.review.count(None) == (2, 3)
    bench.undo()
    assert bench.session.review.pending(None) == before
    bench.dock.press("accept_rest")
    bench.settle()
    assert bench.session.review.count(None) == (4, 0)
    assert bench.layer.features["accepted"].all()
    assert "Nothing is left" in bench.dock.queue_panel.banner.sentence.text()


def foreign(labels: np.ndarray, modest_bench, **place: object):
    """The dock on labels of another program."""
    viewer = ViewerModel()
    viewer.add_labels(labels.copy(), name="theirs", **place)
    return modest_bench(viewer)


@pytest.mark.parametrize("place", [{"scale": (4, 1, 1)}, {"axis_labels": ("z", "y", "x")}])
def test_volumes_of_another_program_are_corrected_through_all_planes(modest_bench, place) -> None:
    _, labels, _ = balls()
    bench = foreign(labels, modest_bench, **place)
    assert bench.session.corrected.depth == 0
    assert "through all planes" in bench.status
    bench.qtbot.waitUntil(lambda: "accepted" in bench.layer.features.columns, timeout=30_000)
    assert bench.layer.features["label"].tolist() == [1, 2, 3, 4]
    bench.dock.navigator.visit((3,), 1)
    bench.dock.do("delete")
    bench.settle()
    assert np.array_equal(bench.layer.data, np.where(labels == 1, 0, labels))
    bench.dock.do("undo")
    assert np.array_equal(bench.layer.data, labels)


def test_planes_that_may_be_frames_say_what_would_make_them_a_stack(modest_bench) -> None:
    _, labels, _ = balls()
    bench = foreign(labels, modest_bench)
    assert bench.session.corrected.depth is None
    assert "scale along z" in bench.status
    bench.layer.scale = (4, 1, 1)
    bench.dock._choose()
    bench.settle()
    assert bench.session.corrected.depth == 0
    assert {one.id for one in bench.session.review.pending(None)} == {1, 2, 3, 4}


def test_movies_and_planes_that_were_numbered_each_from_one_stay_planes(modest_bench) -> None:
    _, labels, _ = balls()
    assert foreign(labels, modest_bench, axis_labels=("t", "y", "x")).session.corrected.depth is None
    numbered = np.stack([np.where(plane > 0, 5 - plane, 0) if z % 2 else plane for z, plane in enumerate(labels)])
    bench = foreign(numbered, modest_bench, scale=(4, 1, 1))
    assert bench.session.corrected.depth is None
    assert bench.status == ""
