"""Options that would have no effect are errors that say why, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.settings import SegmentSettings, TrackSettings
from napari_unet_nuclei.core.train.division import DataSet
from napari_unet_nuclei.core.train.train_model import train
from tests.helpers.program import run, small_image

PLANE = small_image(side=64)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "a.tif", PLANE)
    return tmp_path / "a.tif"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--block", 256), "size of a block has no effect"),
        (("--into-image",), "writing labels into the images has no effect"),
        (("--planes", "maximum"), "one plane only, and planes is 'maximum'"),
        (("--planes", "joined"), "one plane only, and planes is 'joined'"),
        (("--z-spacing", 2), "spacing of planes has no effect"),
        (("--plane", 0), "choosing one has no effect"),
        (("--series", 0), "no effect on it: leave it out"),
        (("--channel", 0), "only one channel, so choosing 0 has no effect"),
        (("--no-recursive",), "leaving out subfolders has no effect"),
        (("--diameter-unit", "µm"), "no effect while 'diameter' is automatic"),
        (("--z-spacing-unit", "px"), "no effect while 'z_spacing' is automatic"),
        (("--bridge", 1), "only with --follow"),
        (("--gap", "1px"), "A gap needs a ring"),
    ],
)
def test_segment(options: tuple[object, ...], reason: str, image: Path, tmp_path: Path) -> None:
    result = run("segment", image, "-o", tmp_path / "out", *options)
    assert result.exit_code > 0
    assert reason in " ".join(result.stderr.split()).replace("│ ", "").replace(" │", "")
    assert not list(tmp_path.glob("out/*labels*"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--label-channel", 0, "--semantic"), "one channel only, so choosing 0 has no effect"),
        (("--series", 0), "no effect: leave it out"),
        (("--void", 1), "requires --semantic"),
    ],
)
def test_evaluate(options: tuple[object, ...], reason: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "l.tif", np.eye(9, dtype=np.uint8))
    result = run("evaluate", tmp_path / "l.tif", tmp_path / "l.tif", *options)
    assert result.exit_code > 0
    assert reason in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--planes", "each"), "no stack"),
        (("--series", 0), "no effect: leave it out"),
        (("--gap", "1px"), "needs a ring"),
    ],
)
def test_measure(options: tuple[object, ...], reason: str, image: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "l.tif", (PLANE.mean() < PLANE).astype(np.uint8))
    result = run("measure", tmp_path / "l.tif", image, *options)
    assert result.exit_code > 0
    assert reason in " ".join(result.stderr.split())
    assert not result.stdout


def test_track(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "l.tif", np.ones((3, 8, 8), np.uint8), metadata={"axes": "TYX"})
    for options, reason in (
        (("--one-movie",), "one file"),
        (("--largest-step-unit", "µm"), "while 'largest_step' is automatic"),
        (("--series", 0), "no effect: leave it out"),
    ):
        result = run("track", tmp_path / "l.tif", "-o", tmp_path / "out", *options)
        assert result.exit_code > 0
        assert reason in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"layers": "decoder"}, "give that as base"),
        ({"class_names": ("a", "b")}, "task semantic alone"),
        ({"coding": ClassCoding(void=255)}, "task semantic alone"),
        ({"inputs": ("nuclei",), "task": "semantic"}, "for a network for nuclei"),
        ({"inputs": ("nuclei",), "in_channels": 3}, "for a network for nuclei"),
        ({"channel": "DAPI", "in_channels": 3}, "reads all channels"),
        ({"channel": "DAPI", "task": "semantic"}, "reads all channels"),
        ({"datasets": DataSet(Path("a"), weight=2.0)}, "there is only one"),
    ],
)
def test_training(given: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=reason):
        train(**{"datasets": tmp_path, "out": tmp_path / "m.safetensors", **given})


def test_training_on_images_of_one_channel(image: Path, tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.tif").write_bytes(image.read_bytes())
    result = run("train", tmp_path, "-o", tmp_path / "m.safetensors", "--channel", 0)
    assert result.exit_code == 1
    assert "have one channel only, so choosing 0 has no effect" in " ".join(result.stderr.split())


def test_finetuning_on_images_of_one_channel(image: Path, tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tif").write_bytes(image.read_bytes())
    folders = ("--images", tmp_path / "images", "--labels", tmp_path / "labels")
    result = run("finetune", "--base", "nuclei", *folders, "-o", tmp_path / "m.safetensors", "--channel", 0)
    assert result.exit_code == 1
    assert "have one channel only, so choosing 0 has no effect" in " ".join(result.stderr.split())


def test_a_unit_alone_is_fine_where_its_number_is_set_or_known() -> None:
    assert SegmentSettings().changed(diameter=7.0, diameter_unit="µm").diameter_unit == "µm"
    assert SegmentSettings().changed(diameter=7.0).changed(diameter_unit="µm").diameter_unit == "µm"
    assert TrackSettings().changed(largest_step_auto=True, largest_step_unit="µm").largest_step_auto
