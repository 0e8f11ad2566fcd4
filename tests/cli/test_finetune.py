from __future__ import annotations

import subprocess
import sys

import imageio.v3 as iio
import pytest
from tifffile import imwrite

from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, save_model
from tests.helpers.program import run
from tests.helpers.samples import fluorescent_nuclei, two_channels
from tests.helpers.tiny import TINY, tiny_network


@pytest.fixture
def corrected(tmp_path):
    folder = tmp_path / "corrected"  # beside the folders that the program has for itself
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(2):
        drawn = fluorescent_nuclei(number, (64, 64), 14, 8)
        iio.imwrite(folder / "images" / f"{number}.tif", drawn.image)
        iio.imwrite(folder / "labels" / f"{number}.tif", drawn.labels)
    save_model(folder / "old.safetensors", Model(ModelCard(name="old", architecture=TINY), tiny_network()))
    return folder


def arguments(folder, *more: str) -> list[str]:
    given = {"--base": "old.safetensors", "--images": "images", "--labels": "labels", "--out": "new.safetensors"}
    paths = [text for name, value in given.items() for text in (name, str(folder / value))]
    return ["finetune", *paths, "--steps", "2", "--epoch-steps", "2", "--device", "cpu", "--no-rehearsal", *more]


def test_a_model_is_fine_tuned_from_folders(corrected):
    result = run(*arguments(corrected, "--reference", str(corrected)))
    assert result.exit_code == 0, result.stderr
    assert "2 steps" in result.stdout
    assert "Reference images" in (corrected / "new.report.html").read_text(encoding="utf-8")
    assert "held out" in result.stderr
    assert {"new.safetensors", "new.report.html"} <= {path.name for path in corrected.iterdir()}


def test_a_name_that_no_model_can_have_is_refused_before_anything_is_read(corrected):
    for name in ("-new.safetensors", "Zürich.safetensors"):
        result = run(*arguments(corrected, "--out", str(corrected / name)))
        assert result.exit_code == 1
        assert "cannot be a model's name" in " ".join(result.stderr.split())
        assert not (corrected / name).exists()


def test_a_channel_is_chosen_by_its_name(corrected):
    drawn = two_channels()
    for number in range(2):
        (corrected / "images" / f"{number}.tif").unlink()
        named = {"axes": "CYX", "Channel": {"Name": ["first", "second"]}}
        imwrite(corrected / "images" / f"{number}.ome.tif", drawn.image, metadata=named)
        iio.imwrite(corrected / "labels" / f"{number}.tif", drawn.labels)
    refused = run(*arguments(corrected))
    assert refused.exit_code == 1
    assert "first (0) and second (1)" in refused.stderr
    result = run(*arguments(corrected, "--channel", "first"))
    assert result.exit_code == 0, result.stderr


def test_a_kill_during_the_training_leaves_everything_as_it_was(corrected):
    before = {path: path.read_bytes() for path in corrected.rglob("*") if path.is_file()}
    endless = arguments(corrected, "--steps", "1000000", "--epoch-steps", "1")
    command = [sys.executable, "-m", "napari_unet_nuclei", *endless]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as training:
        assert any("epoch 1" in line for line in training.stderr), "it has begun to train"
        training.kill()
    assert training.returncode != 0
    assert {path: path.read_bytes() for path in corrected.rglob("*") if path.is_file()} == before


def test_labels_without_an_image_are_named(corrected):
    (corrected / "images" / "1.tif").unlink()
    result = run(*arguments(corrected))
    assert result.exit_code == 1
    assert "1.tif" in result.stderr
    assert not (corrected / "new.safetensors").exists()
