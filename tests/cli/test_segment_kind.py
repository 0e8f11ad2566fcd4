"""Kind of image, channels and doubtful results on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.image.io.read import read_image
from tests.helpers.block_images import write_image as write_store
from tests.helpers.program import run, small_image, write_image
from tests.helpers.samples import stained_tissue


def write_channels(path: Path, *names: str) -> Path:
    """Write an OME-TIFF of which the channels after the first show nuclei."""
    planes = [np.full((96, 96), 100, np.uint16), *(small_image(seed) for seed in range(1, len(names)))]
    described = {"axes": "CYX", "Channel": {"Name": list(names)}}
    tifffile.imwrite(path, np.stack(planes), photometric="minisblack", metadata=described)
    return path


def labels(out: Path) -> np.ndarray:
    [path] = out.glob("*_labels.tif")
    return tifffile.imread(path)


def tissue(seed: int = 0) -> np.ndarray:
    return stained_tissue(seed, shape=(128, 128), count=20).image


@pytest.mark.parametrize("option", [("--kind", "dark"), ("--kind", "brightfield"), ("--invert", "yes")])
def test_a_kind_that_is_chosen_is_obeyed_and_written_down(option, tmp_path):
    bright = (4000 - np.minimum(small_image(), 4000)).astype(np.uint16)
    iio.imwrite(tmp_path / "a.png", bright)
    shown = run("segment", tmp_path / "a.png", "--out", tmp_path / "out", *option)
    assert shown.exit_code == 0, shown.output
    described = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert (described["settings"]["kind"], described["files"][0]["kind"]) == ("brightfield", "brightfield")
    np.testing.assert_array_equal(labels(tmp_path / "out"), segment(bright, axes="YX", kind="brightfield").labels)
    again = run("segment", tmp_path / "a.png", "--out", tmp_path / "2", "--settings", tmp_path / "out" / "run.json")
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(labels(tmp_path / "2"), labels(tmp_path / "out"))


def test_a_contradiction_is_refused_in_words(tmp_path):
    shown = run("segment", tmp_path, "--out", tmp_path, "--kind", "fluorescence", "--invert", "yes")
    assert shown.exit_code == 1
    assert "'invert' yes means kind brightfield, which contradicts kind fluorescence" in shown.stderr


def test_an_image_without_nuclei_is_said_with_the_remedy_even_to_who_wants_quiet(tmp_path):
    iio.imwrite(tmp_path / "void.png", np.zeros((64, 64), np.uint8))
    write_image(tmp_path / "a.png")
    shown = run("segment", tmp_path, "--out", tmp_path / "out", "--quiet")
    assert shown.exit_code == 0
    warning = "0 nuclei. Try dark nuclei on bright: --kind brightfield."
    assert shown.output == f"Warning: {tmp_path / 'void.png'}: {warning}\n"
    summary = pd.read_csv(tmp_path / "out" / "summary.csv", keep_default_na=False).set_index("image")
    assert summary.warning.to_dict() == {str(tmp_path / "a.png"): "", str(tmp_path / "void.png"): warning}
    assert set(summary.kind) == {"fluorescence"}
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert report.index("Worth a look") < report.index("⚠ void.png") < report.index(">a.png")
    again = run("segment", tmp_path, "--out", tmp_path / "out", "--quiet")
    assert warning in again.output, "also where an earlier run has done it"


def test_an_image_of_another_kind_than_the_others_is_said(tmp_path):
    for seed in range(4):
        write_image(tmp_path / f"{seed}.png", seed)
    iio.imwrite(tmp_path / "odd.png", tissue())
    shown = run("segment", tmp_path, "--out", tmp_path / "out", "--quiet")
    assert "odd.png: Read as dark nuclei on bright, unlike most images of this run." in shown.stderr
    shown = run("segment", tmp_path / "odd.png", "--out", tmp_path / "alone", "--quiet")
    assert shown.output == ""


def test_a_channel_is_taken_by_its_name_and_said(tmp_path):
    image = write_channels(tmp_path / "a.ome.tif", "GFP", "DAPI", "Cy5")
    assert "nuclei read from DAPI" in run("segment", image, "--out", tmp_path / "out", "--dry-run").stdout
    shown = run("segment", image, "--out", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.channel.tolist() == ["DAPI"]
    assert "Of the channels 'DAPI' was taken, by its name." in summary.message[0]
    np.testing.assert_array_equal(labels(tmp_path / "out"), segment(small_image(1), axes="YX").labels)


@pytest.mark.parametrize("said", ["Cy5", "cy5", "y5", "2"])
def test_a_channel_is_chosen_by_name_or_number(said, tmp_path):
    image = write_channels(tmp_path / "a.ome.tif", "GFP", "DAPI", "Cy5")
    assert run("segment", image, "--out", tmp_path / "out", "--channel", said).exit_code == 0
    np.testing.assert_array_equal(labels(tmp_path / "out"), segment(small_image(2), axes="YX").labels)
    described = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert (described["settings"]["channel"], described["files"][0]["channel"]) == (said, "Cy5")


def test_where_no_name_says_nuclei_the_channels_are_listed(tmp_path):
    image = write_channels(tmp_path / "a.ome.tif", "GFP", "RFP", "Cy5")
    wanted = "3 channels, GFP (0), RFP (1) and Cy5 (2). Choose the one that shows the nuclei (--channel NAME)."
    for given in ((), ("--dry-run",)):
        assert wanted in run("segment", image, "--out", tmp_path / "out", *given).stderr
    assert "no channel 'DAPI'" in run("segment", image, "--out", tmp_path / "out", "--channel", "DAPI").stderr


def test_a_channel_of_an_image_that_has_but_one_is_refused(tmp_path):
    shown = run("segment", write_image(tmp_path / "a.png"), "--out", tmp_path / "out", "--channel", "DAPI")
    assert shown.exit_code == 1
    assert "only one channel" in shown.stderr


def test_tissue_gives_the_same_nuclei_as_a_picture_and_as_coloured_channels_in_blocks_or_not(tmp_path):
    image = tissue()
    iio.imwrite(tmp_path / "rgb.png", image)
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    described = {"axes": "CYX", "Channel": {"Name": ["Red", "Green", "Blue"]}}
    tifffile.imwrite(tmp_path / "named.ome.tif", planes, photometric="minisblack", metadata=described)
    store = write_store(tmp_path / "coloured.ome.zarr", 3, planes, "CYX")
    attributes = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
    colours = [{"label": str(n), "color": colour} for n, colour in enumerate(("FF0000", "00FF00", "0000FF"))]
    attributes["attributes"]["ome"]["omero"] = {"channels": colours}
    (store / "zarr.json").write_text(json.dumps(attributes), encoding="utf-8")
    out = tmp_path / "out"
    shown = run("segment", tmp_path, "--out", out, "--overlay")
    assert shown.exit_code == 0, shown.output
    found = [read_image(path).array[...] for path in sorted(out.glob("*_labels.*"))]
    assert len(found) == 3
    assert all(np.array_equal(one > 0, found[0] > 0) and one.max() == found[0].max() > 10 for one in found)
    tables = [pd.read_csv(path).sort_values("centroid_y") for path in sorted(out.glob("*_table.csv"))]
    for name in ("haematoxylin_od_mean", "dab_od_mean"):
        assert all(np.allclose(table[name], tables[0][name]) for table in tables)
    assert (tables[0].haematoxylin_od_mean > 2 * tables[0].dab_od_mean).all()
    assert {iio.imread(path).shape for path in out.glob("*_overlay.png")} == {(128, 128, 3)}


def test_fluorescence_has_no_columns_of_stains(tmp_path):
    run("segment", write_image(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert not [name for name in pd.read_csv(tmp_path / "out" / "a_table.csv") if "_od_" in name]
