from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import NoSamplesError, UnknownModelError
from napari_unet_nuclei.core.finetune import bases as module
from napari_unet_nuclei.core.finetune.bases import PIXELS, SIDE, rank_bases, some_of
from napari_unet_nuclei.core.finetune.hold_out import count_nuclei
from napari_unet_nuclei.core.model.registry import BUNDLED, ModelRegistry
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import sample
from tests.helpers.tiny import TINY, write_tiny_model


@pytest.fixture
def registry(tmp_path, monkeypatch) -> ModelRegistry:
    found = ModelRegistry(tmp_path, BUNDLED)
    monkeypatch.setattr(module, "default_registry", lambda: found)
    return found


def seen(seed: int, form: InputForm) -> Sample:
    """A sample as a network of some inputs sees it."""
    one = sample(seed)
    return replace(one, image=np.concatenate([one.image] * form.channels))


def squares(count: int, shape: tuple[int, int], seed: int = 0) -> Sample:
    """Square nuclei at random places of a wide field."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for number in range(count):
        y, x = (int(rng.integers(0, size // 10)) * 10 for size in shape)
        labels[y : y + 6, x : x + 6] = number + 1
    return Sample(f"{seed}", (labels[None] > 0).astype(np.float32), labels, f"{seed}", kind="fluorescence")


def test_the_model_that_finds_most_is_the_first_and_all_say_how_many(registry):
    write_tiny_model(registry.own / "random.safetensors", "random")
    progress = RecordingProgress()
    ranked = rank_bases(lambda form: [seen(0, form), seen(1, form)], progress, "cpu")
    assert [one.name for one in ranked] == ["nuclei", "random"]
    assert ranked[0].score > ranked[1].score
    best = ranked[0]
    assert best.sentence == f"'nuclei' finds {best.found} of {best.nuclei} nuclei, and {best.spurious} spurious ones."
    assert 0 < best.found <= best.nuclei
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1
    with pytest.raises(Cancelled):
        rank_bases(lambda form: [seen(0, form)], RecordingProgress(cancel_after=2), "cpu")


def test_a_model_that_cannot_read_the_images_is_passed_over(registry):
    colours = TINY.model_copy(update={"in_channels": 3})
    write_tiny_model(registry.own / "colours.safetensors", "colours", colours)

    def samples_for(form):
        if form.channels == 3:
            raise UnknownModelError("It has one channel.")
        return [seen(0, form)]

    progress = RecordingProgress()
    assert [one.name for one in rank_bases(samples_for, progress, "cpu")] == ["nuclei"]
    assert progress.notices == ["'colours' was skipped: It has one channel."]


def test_without_a_model_or_a_nucleus_the_message_says_so(registry, monkeypatch):
    nothing = replace(sample(0), labels=np.zeros((64, 64), np.int32))
    with pytest.raises(NoSamplesError, match="No nucleus lies entirely"):
        rank_bases(lambda form: [nothing], Silent(), "cpu")
    monkeypatch.setattr(module, "default_registry", lambda: ModelRegistry(registry.own, registry.own / "none"))
    with pytest.raises(UnknownModelError, match="No model for nuclei"):
        rank_bases(lambda form: [sample(0)], Silent(), "cpu")


def test_of_large_images_the_fullest_parts_are_looked_at_and_no_more_pixels_than_allowed():
    samples = [squares(200, (1500, 1400), seed) for seed in range(9)]
    chosen = some_of(samples, 0)
    assert sum(one.labels.size for one in chosen) <= PIXELS
    assert len(chosen) >= PIXELS // SIDE**2
    assert len({one.name for one in chosen}) == len(chosen)
    assert all(max(one.labels.shape) <= SIDE and count_nuclei(one) > 10 for one in chosen)


def test_only_reviewed_nuclei_count():
    one = squares(60, (300, 300))
    reviewed = np.zeros(one.labels.shape, bool)
    reviewed[:100] = True
    [part] = some_of([replace(one, reviewed=reviewed)], 0)
    assert count_nuclei(part) == count_nuclei(replace(one, reviewed=reviewed))
