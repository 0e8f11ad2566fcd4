from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.errors import ModelFileError, NoSamplesError
from napari_unet_nuclei.core.finetune import finetune_model as module
from napari_unet_nuclei.core.finetune.before_after import Judge, choose, mix
from napari_unet_nuclei.core.finetune.finetune_model import (
    FEWEST_STEPS,
    LEAST_EPOCHS,
    REHEARSED,
    Finetuned,
    Rehearsal,
    balanced,
    finetune_model,
    hash_samples,
    read_rehearsal,
    seconds_per_step,
    with_short_epochs,
)
from napari_unet_nuclei.core.finetune.report import figures
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.labels.score import FEATURES, Scoring
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, Thresholds, TrainingRecord
from napari_unet_nuclei.core.model.file import Model, read_model, save_model
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.settings import FinetuneSettings, TrainSettings
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import sampling_weights
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import sample, small_trainer
from tests.helpers.tiny import FLOAT32, TINY, tiny_network

SETTINGS = FinetuneSettings().changed(steps=4, epoch_steps=2, rehearsal=False, device="cpu")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """One thread and float32, so that a run repeats to the bit."""
    monkeypatch.setattr("napari_unet_nuclei.core.train.trainer.choose_device", lambda request: FLOAT32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def base() -> Model:
    record = TrainingRecord(datasets=(DataSource(name="tissue", licence="CC BY 4.0", credit="Them 2020", images=9),))
    card = ModelCard(name="old", architecture=TINY, weights_hash="0123456789abcdef", training=record)
    return Model(card, tiny_network())


@cache
def plain() -> tuple[Finetuned, Model, RecordingProgress]:
    """Fine-tune on two samples, once for all tests that look at the outcome; with the old model and what was reported.

    To be called by tests alone, under `exact`.
    """
    old, progress = base(), RecordingProgress()
    return finetune_model(old, [sample(0), sample(1)], SETTINGS, "new", progress), old, progress


def weights(model: Model) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in model.network.state_dict().values()])


def reviewed_half(seed: int):
    one = sample(seed)
    reviewed = np.zeros(one.labels.shape, bool)
    reviewed[:, :40] = True
    return replace(one, reviewed=reviewed)


def test_the_new_model_names_its_parent_its_lesson_and_its_figures_and_the_old_one_stays(tmp_path):
    done, old, _ = plain()
    assert torch.equal(weights(old), weights(base()))
    card = done.chosen.model.card
    assert (card.name, card.parent) == ("new", "old (0123456789abcdef)")
    own, inherited = card.training.datasets
    assert (own.name, own.images, own.nuclei) == ("corrections", card.training.images, card.training.nuclei)
    assert str(inherited) == "Them 2020 (tissue); CC BY 4.0; 9 images, through old"
    assert card.training.steps == 4
    assert card.training.data_hash == hash_samples([sample(0), sample(1)])
    assert card.training.settings["strength"] == 0.8
    report = done.chosen.report
    for when, judgement in (("before", report.before), ("after", report.after)):
        said = {name: card.metrics[f"held-out {name} {when}"] for name, *_ in figures(report)}
        assert said == pytest.approx(judgement.figures, abs=0.0005)
    assert card.metrics["held-out nuclei"] == report.nuclei
    assert "held-out merged after" in card.metrics
    save_model(tmp_path / "new.safetensors", done.chosen.model)
    assert read_model(tmp_path / "new.safetensors").card.training == card.training


def test_the_card_says_that_other_images_were_taught_than_the_model_was_made_for(monkeypatch):
    stained = [replace(sample(seed), kind="brightfield") for seed in range(2)]
    card = finetune_model(base(), stained, SETTINGS, "new").chosen.model.card
    assert card.kinds == ("fluorescence", "brightfield")
    assert card.description.endswith("corrected nuclei in images of dark nuclei on bright.")
    again = Model(card, base().network)
    card = finetune_model(again, [sample(0), sample(1)], SETTINGS, "newer").chosen.model.card
    assert card.kinds == ("fluorescence", "brightfield"), "what the parent was taught is forgotten"
    assert card.description.endswith("corrected nuclei in images of bright nuclei on dark.")


def test_steps_and_seed_repeat_a_run_to_the_bit():
    runs = [plain()[0], finetune_model(base(), [sample(0), sample(1)], SETTINGS, "new")]
    assert torch.equal(*(weights(run.chosen.model) for run in runs))
    assert not torch.equal(weights(runs[0].chosen.model), weights(base()))


def test_what_was_not_reviewed_never_enters_the_loss():
    clean = [reviewed_half(seed) for seed in range(3)]
    garbage = []
    for one in clean:
        labels = one.labels.copy()
        far = np.zeros(labels.shape, bool)
        far[:, 46:] = True  # targets look two pixels beyond the region for neighbours
        labels[far & ~np.isin(labels, labels[:, :46])] = 0
        labels[60:64, 50:60] = labels.max() + 1
        garbage.append(replace(one, labels=labels))
    for one, other in zip(clean, garbage, strict=True):
        assert np.array_equal(trusted(one.labels, one.reviewed), trusted(other.labels, other.reviewed))
    first, second = (finetune_model(base(), samples, SETTINGS, "new").training.network for samples in (clean, garbage))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_rehearsed_crops_are_small_and_of_their_kind():
    assert sum(path.stat().st_size for path in REHEARSED.rglob("*") if path.is_file()) < 2 * 2**20
    for kind, in_colour in (("fluorescence", False), ("brightfield", True)):
        rehearsal = read_rehearsal(kind, InputForm())
        assert len(rehearsal.training) > len(rehearsal.validation) > 8
        crops = (*rehearsal.training, *rehearsal.validation)
        assert {len(one.image) for one in crops} == {1}
        assert {one.kind for one in crops} == {kind}
        assert {one.dataset for one in crops} == {""}
        assert sum(one.labels.max() > 0 for one in crops) > 0.9 * len(crops)
        assert any(one.picture is not None for one in crops) == in_colour
        assert sum(source.images for source in rehearsal.sources) == len(rehearsal.training)
        assert all(source.licence and source.credit for source in rehearsal.sources)


def test_corrections_and_rehearsed_crops_of_each_kind_make_as_many_of_the_lesson():
    parts = [sample(0), sample(1)], [replace(sample(seed), importance=7.0) for seed in range(2, 7)], []
    weights = sampling_weights(balanced(*parts))
    assert [weights[:2].sum(), weights[2:].sum()] == pytest.approx([0.5, 0.5])
    assert len(balanced(parts[0])) == 2


def test_with_rehearsal_the_report_tells_what_was_forgotten(monkeypatch):
    source = DataSource(name="rehearsed fluorescence", licence="CC0", images=2)
    rehearsal = Rehearsal(*(tuple(sample(seed) for seed in seeds) for seeds in ((5, 6), (7,))), (source,))
    monkeypatch.setattr(module, "read_rehearsal", lambda kind, form: rehearsal)
    done = finetune_model(base(), [sample(0), sample(1)], SETTINGS.changed(rehearsal=True), "new")
    assert done.chosen.rehearsed is not None
    card = done.chosen.model.card
    assert "rehearsed AP at IoU 0.5 after" in card.metrics
    assert [one.name for one in card.training.datasets] == ["corrections", "rehearsed fluorescence", "tissue"]


def test_what_is_rehearsed_is_what_the_old_model_was_made_for_and_what_was_corrected(monkeypatch):
    read: list[str] = []

    def remember(kind, form):
        read.append(kind)
        return Rehearsal((sample(5),), (sample(6),))

    monkeypatch.setattr(module, "read_rehearsal", remember)
    finetune_model(base(), [sample(0), sample(1)], SETTINGS.changed(rehearsal=True), "new")
    assert read == ["fluorescence"]
    dark = [replace(sample(seed), kind="brightfield") for seed in (0, 1)]
    finetune_model(base(), dark, SETTINGS.changed(rehearsal=True), "new")
    assert sorted(read[1:]) == ["brightfield", "fluorescence"]


def test_a_model_of_two_channels_rehearses_no_crops_in_colour(monkeypatch):
    read: list[str] = []
    monkeypatch.setattr(module, "read_rehearsal", lambda kind, form: read.append(kind) or Rehearsal((sample(5),)))
    card = ModelCard(name="two", architecture=TINY.model_copy(update={"in_channels": 2}))
    assert module._rehearsals(card, [replace(sample(0), kind="brightfield")])[1] == Rehearsal()
    assert read == ["fluorescence"]
    read.clear()
    of_signals = card.model_copy(update={"inputs": ("nuclei", "density")})
    module._rehearsals(of_signals, [replace(sample(0), kind="brightfield")])
    assert sorted(read) == ["brightfield", "fluorescence"], "two signals can be made of any picture"


def test_both_models_are_compared_as_a_user_has_them(monkeypatch):
    """The old model has not learnt the sizes of the corrections, and is not given them in the comparison."""
    judges = []
    chosen = module.choose
    monkeypatch.setattr(module, "choose", lambda judge, *rest: judges.append(judge) or chosen(judge, *rest))
    done = finetune_model(base(), [sample(0), sample(1)], SETTINGS, "new")
    assert judges[0].base.card.taught == ()
    assert done.chosen.model.card.taught


def test_the_new_model_expects_the_sizes_that_it_was_taught():
    done, _, _ = plain()
    sizes = [round(one.median_diameter, 1) for one in done.division.training]
    assert sorted(done.chosen.model.card.taught) == sorted(sizes)


def test_thresholds_and_sizes_are_learnt_for_each_kind_of_images():
    samples = [sample(0), sample(1), *(replace(sample(seed), kind="brightfield") for seed in (2, 3))]
    kinds = {"fluorescence", "brightfield"}
    done = finetune_model(base(), samples, SETTINGS, "new")
    assert {one.kind for one in done.division.judging} <= kinds == {one.kind for one in samples}
    card = done.chosen.model.card
    for kind in kinds:
        sizes = [round(one.median_diameter, 1) for one in done.division.training if one.kind == kind]
        assert sorted(card.for_kind(kind).taught) == sorted(sizes)


def test_a_score_is_calibrated_for_each_kind_and_its_thresholds_stay(monkeypatch):
    """Thirteen coefficients and four thresholds fitted to a few crops would do worse than those of the old model."""
    score = Scoring(FEATURES, *((value,) * len(FEATURES) for value in (0.0, 1.0, 0.5)), intercept=0.0)
    calibrated = []
    monkeypatch.setattr(
        "napari_unet_nuclei.core.finetune.before_after.calibrate_score",
        lambda samples, _, card, old: calibrated.append({one.kind for one in samples}) or old.calibrated(0.5, 1.0),
    )
    stained = [replace(sample(seed), kind="brightfield") for seed in (1, 2)]
    old = Model(base().card.model_copy(update={"score": score, "thresholds": Thresholds(score=0.6)}), base().network)
    card = choose(Judge(old, stained[:1], [sample(0)], stained[1:], FLOAT32), old, 1.0, Silent()).model.card
    assert calibrated[:2] == [{"brightfield"}, {"fluorescence"}]
    for kind in ("fluorescence", "brightfield"):
        assert card.for_kind(kind).score == score.calibrated(0.5, 1.0)
        assert card.for_kind(kind).thresholds == Thresholds(score=0.6)


def test_without_coefficients_the_thresholds_are_fitted_and_certainty_stays(monkeypatch):
    found = Thresholds(foreground=0.6, score=0.8)
    monkeypatch.setattr("napari_unet_nuclei.core.finetune.before_after.fit_thresholds", lambda *given: found)
    stained = [replace(sample(seed), kind="brightfield") for seed in (1, 2)]
    card = choose(Judge(base(), stained[:1], [sample(0)], stained[1:], FLOAT32), base(), 1.0, Silent()).model.card
    for kind in ("fluorescence", "brightfield"):
        assert (card.for_kind(kind).thresholds, card.for_kind(kind).score) == (found, None)


def test_mixtures_lie_between_old_and_new():
    old, new = tiny_network(), tiny_network(seed=1)
    for share, expected in ((0.0, old), (1.0, new)):
        made = mix(old, new, share).state_dict()
        assert all(torch.allclose(made[name], value) for name, value in expected.state_dict().items() if value.ndim)
    middle = mix(old, new, 0.5).heads.weight
    torch.testing.assert_close(middle, (old.heads.weight + new.heads.weight) / 2)


@pytest.mark.parametrize("moment", [1, 4, 9])
def test_cancel_leaves_nothing_behind(moment):
    with pytest.raises(Cancelled):
        finetune_model(base(), [sample(0), sample(1)], SETTINGS, "new", RecordingProgress(cancel_after=moment))


def test_progress_rises_to_the_end():
    _, _, progress = plain()
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1.0


def test_a_model_of_classes_cannot_learn_nuclei():
    shape = TINY.model_copy(update={"heads": ("classes",), "classes": 2})
    card = ModelCard(name="classes", task="semantic", classes=("a", "b"), architecture=shape)
    with pytest.raises(ModelFileError, match="predicts classes"):
        finetune_model(Model(card, tiny_network()), [sample(0)], SETTINGS, "new")


def test_without_reviewed_nuclei_there_is_nothing_to_learn():
    one = sample(0)
    with pytest.raises(NoSamplesError):
        finetune_model(base(), [replace(one, reviewed=np.zeros(one.labels.shape, bool))], SETTINGS, "new")


def test_reference_images_are_scored_by_both_models_and_neither_teach_nor_choose():
    alone, _, _ = plain()
    done = finetune_model(base(), [sample(0), sample(1)], SETTINGS, "new", reference=[sample(3)])
    assert alone.reference is None
    assert done.reference is not None
    assert done.reference.nuclei == len(np.unique(sample(3).labels)) - 1
    assert {"reference AP at IoU 0.5 before", "reference AP at IoU 0.5 after"} <= set(done.chosen.model.card.metrics)
    assert torch.equal(weights(alone.chosen.model), weights(done.chosen.model))


LIMITED = TrainSettings().changed(time=160.0, epoch_steps=50, batch=2, crop=32, device="cpu")


@pytest.mark.parametrize(("seconds", "steps"), [(0.01, 50), (0.5, 40), (100.0, FEWEST_STEPS)])
def test_a_slow_computer_is_looked_at_as_often_as_a_fast_one(monkeypatch, seconds, steps):
    monkeypatch.setattr(module, "seconds_per_step", lambda trainer, samples: seconds)
    assert with_short_epochs(small_trainer(LIMITED), [sample(0)]).epoch_steps == steps
    assert steps * seconds * LEAST_EPOCHS <= LIMITED.time or steps == FEWEST_STEPS


@pytest.mark.parametrize("given", [{"steps": 7}, {"epochs": 3}])
def test_a_run_that_is_to_be_repeated_is_left_as_it_is(monkeypatch, given):
    monkeypatch.setattr(module, "seconds_per_step", lambda trainer, samples: 100.0)
    settings = LIMITED.changed(**given)
    assert with_short_epochs(small_trainer(settings), [sample(0)]) == settings


def test_measuring_changes_neither_network_nor_optimiser():
    trainer = small_trainer(LIMITED)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    assert seconds_per_step(trainer, [sample(0)]) > 0
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(value.grad is None for value in trainer.network.parameters())
    assert trainer.optimiser.state_dict()["state"] == {}
