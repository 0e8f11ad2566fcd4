"""Images and results of the dock *Batch segment folder*, as they are read and shown."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from napari.layers import Image, Labels

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.folder import large_image
from napari_unet_nuclei.gui.batch import job as batch_job
from napari_unet_nuclei.gui.batch.dock import BatchDock
from napari_unet_nuclei.gui.batch.table import ACTION, STATE
from tests.helpers.batching import LONG, cell, choose, choose_model, click, press_run
from tests.helpers.docks import show_alone
from tests.helpers.samples import fluorescent_nuclei

pytestmark = pytest.mark.usefixtures("tiny_model")


def test_show_loads_image_and_labels_with_one_click(qtbot, viewer, dock, folder, tmp_path) -> None:
    viewer.add_image(np.zeros((400, 400), np.uint8), name="looked at before")
    choose(qtbot, dock, folder, tmp_path / "out")
    press_run(qtbot, dock)
    for name in ("a.png", "b.png"):
        click(qtbot, dock, name)
        qtbot.waitUntil(lambda name=name: f"{name} labels" in viewer.layers, timeout=LONG)
    labels = viewer.layers["b.png labels"]
    np.testing.assert_array_equal(labels.data, tifffile.imread(tmp_path / "out" / "b_labels.tif"))
    assert len(labels.features) == len(pd.read_csv(tmp_path / "out" / "b_table.csv"))
    assert [layer.name for layer in viewer.layers if layer.visible] == ["b.png", "b.png labels"]
    assert labels.contour > 0, "as in Segment, so that the image is seen"


def test_labels_lie_on_their_image_with_pixel_size_channels_and_plane(qtbot, viewer, dock, tmp_path) -> None:
    pixels = np.stack([[fluorescent_nuclei(seed, (100, 120), 22.0, 8).image] * 2 for seed in range(3)])
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "stack.ome.tif", pixels, metadata={"axes": "ZCYX", **size})
    dock.form.size_form.control("channel_auto").value = False
    dock.form.stacks.setCurrentText("one plane")
    dock.form.plane.setValue(2)
    choose(qtbot, dock, tmp_path / "stack.ome.tif", tmp_path / "out")
    assert cell(dock, "stack.ome.tif", STATE).startswith("2 channels: ")
    press_run(qtbot, dock)
    click(qtbot, dock, "stack.ome.tif")
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=LONG)
    dapi, gfp, labels = viewer.layers
    assert (dapi.name, gfp.name) == ("stack.ome.tif DAPI", "stack.ome.tif GFP")
    assert dapi.scale.tolist() == labels.scale.tolist() == [2.0, 0.5, 0.25]
    assert labels.translate.tolist() == [4.0, 0.0, 0.0]
    assert {str(unit) for unit in (*dapi.units, *labels.units)} == {"micrometer"}
    assert labels.data.shape == (1, 100, 120)
    assert labels.data.max() > 0


def test_ome_zarr_labels_are_shown_like_others(qtbot, viewer, dock, folder, tmp_path) -> None:
    dock.form.labels.setCurrentIndex(2)
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    click(qtbot, dock, "a.png")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=LONG)
    same = segment(iio.imread(folder / "a.png"), "tiny", axes="YX", diameter=22.0)
    np.testing.assert_array_equal(viewer.layers[1].data, same.labels)


def test_of_a_stack_with_time_one_plane_along_z_is_segmented_at_all_times(qtbot, dock, tmp_path) -> None:
    pixels = np.stack(
        [[fluorescent_nuclei(t, (100, 120), 22.0, 8).image // (z + 1) for z in range(2)] for t in range(3)]
    )
    tifffile.imwrite(tmp_path / "movie.ome.tif", pixels, metadata={"axes": "TZYX"})
    dock.form.stacks.setCurrentText("one plane")
    choose(qtbot, dock, tmp_path / "movie.ome.tif", tmp_path / "out")
    assert "not one but 2 axes" in cell(dock, "movie.ome.tif", STATE)
    dock.form.stacks.setCurrentText("one plane along z")
    dock.form.plane.setValue(1)
    qtbot.waitUntil(lambda: cell(dock, "movie.ome.tif", STATE).startswith("3 time points"), timeout=LONG)
    press_run(qtbot, dock)
    same = segment(pixels[:, 1], "tiny", axes="TYX", diameter=22.0)
    written = tifffile.imread(tmp_path / "out" / "movie_labels.tif")
    np.testing.assert_array_equal(written.squeeze(), same.labels)


def test_a_mistaken_axis_is_changed_from_a_list(qtbot, dock, tmp_path) -> None:
    stack = np.stack([fluorescent_nuclei(seed, (100, 120), 22.0, 8).image for seed in range(3)])
    tifffile.imwrite(tmp_path / "movie.ome.tif", stack, metadata={"axes": "ZYX"})
    choose(qtbot, dock, tmp_path / "movie.ome.tif", tmp_path / "out")
    assert cell(dock, "movie.ome.tif", STATE).startswith("3 planes · pixel size unknown · 100 × 120 px")
    axes = dock.form.axes
    assert not axes.isHidden()
    assert [axes.itemText(place) for place in range(axes.count())] == [
        "as the files say", "first axis is planes (3)", "first axis is time (3)", "first axis is channels (3)",
    ]  # fmt: skip
    axes.setCurrentIndex(2)
    qtbot.waitUntil(lambda: cell(dock, "movie.ome.tif", STATE).startswith("3 time points"), timeout=LONG)
    assert axes.currentData() == "TYX"


def test_of_a_file_with_several_images_all_or_one_are_done(qtbot, viewer, dock, tmp_path) -> None:
    assert dock.form.series.isHidden()
    images = [fluorescent_nuclei(seed, (100, 120 + 10 * seed), 22.0, 8).image for seed in range(3)]
    with tifffile.TiffWriter(tmp_path / "three.tif") as file:
        for image in images:
            file.write(image)
    choose(qtbot, dock, tmp_path / "three.tif", tmp_path / "out")
    assert [row.prospect.short_title for row in dock.table.images.rows] == [f"three.tif [{n}]" for n in range(3)]
    series = dock.form.series
    assert not series.isHidden()
    assert [series.itemText(place) for place in range(series.count())] == [
        "automatic", "all", "0 (100 × 120)", "1 (100 × 130)", "2 (100 × 140)",
    ]  # fmt: skip
    series.setCurrentIndex(4)
    qtbot.waitUntil(lambda: dock.table.images.rowCount() == 1, timeout=LONG)
    assert cell(dock, "three.tif [2]", STATE).startswith("one of 3 · pixel size unknown · 100 × 140 px")
    press_run(qtbot, dock)
    same = segment(images[2], "tiny", axes="YX", diameter=22.0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "three_2_labels.tif"), same.labels)
    click(qtbot, dock, "three.tif [2]")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=LONG)
    np.testing.assert_array_equal(viewer.layers[0].data, images[2])


def test_of_a_large_image_a_preview_shows_the_middle(qtbot, viewer, dock, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batch_job, "PREVIEW_SIDE", 100)
    monkeypatch.setattr(large_image, "LARGEST_WHOLE", 10_000)
    group = zarr.create_group(tmp_path / "slide.ome.zarr")
    group.create_array("0", data=fluorescent_nuclei(0, (240, 300), 22.0, 40).image)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    choose(qtbot, dock, tmp_path / "slide.ome.zarr", tmp_path / "out")
    click(qtbot, dock, "slide.ome.zarr")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=LONG)
    assert viewer.layers[1].data.shape == (100, 100)
    assert viewer.layers[1].translate.tolist() == [70, 100]


def test_a_preview_shows_what_the_run_would_find_and_writes_nothing(qtbot, viewer, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    click(qtbot, dock, "a.png")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and not dock.job_panel.is_running, timeout=LONG)
    assert [type(layer) for layer in viewer.layers] == [Image, Labels]
    same = segment(iio.imread(folder / "a.png"), "tiny", axes="YX", diameter=22.0)
    np.testing.assert_array_equal(viewer.layers[1].data, same.labels)
    assert not (tmp_path / "out").exists()
    assert cell(dock, "a.png", ACTION) == "Preview"


def test_done_images_can_be_shown_before_any_run_of_this_window(qtbot, viewer, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    second = show_alone(qtbot, BatchDock(viewer), viewer)
    choose_model(second)
    choose(qtbot, second, folder / "a.png", tmp_path / "out")
    assert cell(second, "a.png", STATE).startswith("done before")
    click(qtbot, second, "a.png")
    qtbot.waitUntil(lambda: "a.png labels" in viewer.layers, timeout=LONG)
