from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import gaussian
from skimage.segmentation import expand_labels

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.plane import PlaneLook
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.metrics.comparison import compare_labels
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from napari_unet_nuclei.core.segment import automatic_size
from napari_unet_nuclei.core.segment.automatic_size import find_scale, predict_sized
from napari_unet_nuclei.core.segment.evidence import AREA, ChosenLook, choose_look
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import immunohistochemistry, stained_tissue


@pytest.fixture(scope="module")
def runner() -> NetworkRunner:
    return NetworkRunner(load_model(), choose_device("cpu"), 512)


def choose(runner: NetworkRunner, image: np.ndarray, axes: str, looks: tuple[PlaneLook, ...] = ()) -> ChosenLook:
    plane = PlaneSample.whole(ImageSource(image, axes))
    looks = looks or possible_looks(plane, inputs=runner.card.network_inputs)
    return choose_look(looks, plane, runner, Silent())


def both_kinds(image: np.ndarray, axes: str, runner: NetworkRunner) -> tuple[PlaneLook, ...]:
    """Leave the kind open, the wrong one first."""
    plane = PlaneSample.whole(ImageSource(image, axes))
    return tuple(
        look
        for kind in ("brightfield", "fluorescence")
        for look in possible_looks(plane, kind=kind, inputs=runner.card.network_inputs)
    )


def test_dense_grey_tissue_is_read_as_dark_nuclei(runner):
    grey = stained_tissue(shape=(300, 300), count=250).image.mean(axis=-1)
    assert choose(runner, grey, "YX").look.kind == "brightfield"


@pytest.mark.parametrize("turned", [False, True])
def test_crowded_nuclei_are_read_the_right_way_up_whichever_is_thought_likelier(runner, turned):
    light, _ = draw_nuclei((300, 300), 24, 220, np.random.default_rng(1), clumped=0.9)
    image = camera(light, np.random.default_rng(1)).astype(np.float32)
    image = image.max() + 100 - image if turned else image
    looks = both_kinds(image, "YX", runner)
    wanted = "brightfield" if turned else "fluorescence"
    assert choose(runner, image, "YX", looks).look.kind == wanted
    assert choose(runner, image, "YX", looks[::-1]).look.kind == wanted


def test_the_colour_with_nuclei_is_read_and_not_the_strongest(runner):
    light, _ = draw_nuclei((256, 256), 22, 40, np.random.default_rng(2))
    cytoplasm = draw_nuclei((256, 256), 70, 9, np.random.default_rng(3))[0] ** 0.4
    image = np.stack([110 * light, 240 * cytoplasm, 0 * light], axis=-1).astype(np.uint8)
    assert choose(runner, image, "YXS").look.name == "red channel"


def test_where_nothing_is_seen_the_likelier_kind_is_taken_and_called_doubtful(runner):
    noise = np.random.default_rng(0).normal(100, 3, (200, 200)).astype(np.float32)
    looks = both_kinds(noise, "YX", runner)
    for order in (looks, looks[::-1]):
        found = choose(runner, noise, "YX", order)
        assert (found.look, found.sure) == (order[0], False)


def test_an_image_that_leaves_no_choice_is_not_shown_to_the_network(runner, monkeypatch):
    monkeypatch.setattr(NetworkRunner, "run", lambda *_: pytest.fail("the network was run"))
    assert choose(runner, stained_tissue(shape=(120, 120), count=20).image, "YXS").sure


def test_choosing_can_be_cancelled(runner):
    image = np.random.default_rng(0).normal(100, 3, (200, 200)).astype(np.float32)
    plane = PlaneSample.whole(ImageSource(image, "YX"))
    with pytest.raises(Cancelled):
        choose_look(both_kinds(image, "YX", runner), plane, runner, RecordingProgress(cancel_after=1))


@pytest.mark.parametrize(("dab", "name"), [("nuclei", "haematoxylin and DAB"), ("membranes", "haematoxylin")])
@pytest.mark.parametrize("diameter", [13.0, 18.0])
def test_dab_counts_in_nuclei_and_not_round_them(runner, dab, name, diameter):
    image = immunohistochemistry(dab, shape=(320, 320), diameter=diameter, count=int(40_000 / diameter**2)).image
    assert choose(runner, image, "YXS").look.name == name
    assert f"Read as dark nuclei on bright, stained with {name}." in segment(image, axes="YXS", device="cpu").notices


@pytest.mark.parametrize(("diameter", "seed"), [(18.0, 2), (26.0, 2), (26.0, 4), (40.0, 5)])
def test_brown_nuclei_are_found_where_the_windows_show_few_of_them(diameter, seed):
    sample = immunohistochemistry("nuclei", seed, (512, 512), diameter, int(80_000 / diameter**2))
    result = segment(sample.image, axes="YXS", device="cpu")
    assert compare_labels(sample.labels, result.labels).scores.average_precision[0] > 0.95


def test_the_size_that_the_chosen_reading_showed_is_not_estimated_again(runner, monkeypatch):
    light, _ = draw_nuclei((256, 256), 30, 40, np.random.default_rng(2))
    image = np.stack([110 * light, 80 * light, 0 * light], axis=-1).astype(np.uint8)
    found = choose(runner, image, "YXS")
    assert 24 < found.estimate < 36
    monkeypatch.setattr(automatic_size, "first_look", lambda *_: pytest.fail("the size was estimated again"))
    assert 24 < predict_sized(found.reader, runner, Silent(), found.estimate).diameter < 36
    assert find_scale([found.reader], runner, Silent(), found.estimate)[1] > 24


def test_each_of_two_readings_is_shown_to_the_network_once_in_small_windows(runner, monkeypatch):
    shown = []
    run = NetworkRunner.run
    monkeypatch.setattr(NetworkRunner, "run", lambda *these: shown.append(these[1][0].size) or run(*these))
    image = stained_tissue(shape=(500, 500), diameter=22.0, count=300).image.mean(axis=-1)
    choose(runner, image, "YX", both_kinds(image, "YX", runner))
    assert len(shown) == 2
    assert sum(shown) < 2.1 * AREA


def cells_in_colours(nuclei: int, bodies: int, dim: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Cells whose nuclei show in one colour, and whose bodies, with the nuclei, in another; and the labels."""
    light, labels = draw_nuclei((256, 256), 22, 20, np.random.default_rng(2), clumped=0.3)
    image = np.zeros((256, 256, 3))
    image[..., nuclei] = dim * light / light.max()
    image[..., bodies] = gaussian(expand_labels(labels, 8) > 0, 1.5)
    noise = np.random.default_rng(3).normal(0.03, 0.005, image.shape) * (image.max(axis=(0, 1)) > 0)
    return np.clip((image + noise) * 230, 0, 255).astype(np.uint8), labels


@pytest.mark.parametrize(("nuclei", "bodies", "dim"), [(2, 0, 1.0), (2, 0, 0.4), (0, 1, 0.7)])
def test_of_two_colours_the_one_with_nuclei_is_read_and_not_the_one_with_cell_bodies(runner, nuclei, bodies, dim):
    image, labels = cells_in_colours(nuclei, bodies, dim)
    assert choose(runner, image, "YXS").look.channels == (nuclei,)
    found = segment(image, device="cpu").labels
    assert found.max() == labels.max()
    assert np.median(np.bincount(found.ravel())[1:]) == pytest.approx(
        np.median(np.bincount(labels.ravel())[1:]), rel=0.2
    )
