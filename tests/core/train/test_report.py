from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.progress import EpochDone, Silent
from napari_unet_nuclei.core.train.report import SHOWN, Example, as_seen, nuclei_examples, write_report
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.samples import fluorescent_nuclei

HISTORY = [EpochDone(n, 2 / n, 2.5 / n, {"foreground IoU": 0.1 * n, "AP@0.5": 0.09 * n}) for n in range(1, 6)]


def example(score: float) -> Example:
    pixels = np.zeros((4, 4, 3), np.uint8)
    return Example(f"image-{score:.2f}", pixels, pixels, pixels, score, f"AP@0.5 {score:.2f}")


def test_the_worst_images_are_shown_first(tmp_path):
    scores = np.random.default_rng(0).permutation(3 * SHOWN) / 100
    card = ModelCard(name="mine", training=TrainingRecord(images=3, steps=40, seconds=2.0, command="train it"))
    write_report(tmp_path / "report.html", card, HISTORY, {"Validation": [example(score) for score in scores]})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    places = [page.find(f">image-{score:.2f}<") for score in sorted(scores)]
    assert places[:SHOWN] == sorted(places[:SHOWN])
    assert min(places[:SHOWN]) > 0
    assert max(places[SHOWN:]) == -1


def test_model_course_and_every_part_are_in_the_report(tmp_path):
    card = ModelCard(name="mine", training=TrainingRecord(command="train it"), metrics={"pooled AP": 0.5})
    parts = {"Training images": [example(0.3)], "Unseen images": [example(0.2)]}
    write_report(tmp_path / "report.html", card, HISTORY, parts)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("Training of mine", "train it", "pooled AP", "0.500", "Training images", "Unseen images", "<svg"):
        assert text in page


def test_data_sets_are_credited_and_have_figures_and_curves_of_their_own(tmp_path):
    source = DataSource(name="tissue", licence="CC BY 4.0", credit="Them 2024", images=1234, nuclei=5, through="base")
    metrics = {"validation images": 1.0, "validation AP@0.5 pooled": 0.123}
    metrics |= {"validation, tissue stained: images": 4321.0, "validation, tissue stained: AP@0.5 pooled": 0.456}
    card = ModelCard(name="mine", training=TrainingRecord(datasets=(source,)), metrics=metrics)
    history = [EpochDone(1, 0.5, 0.4, {"AP@0.5": 0.3}), EpochDone(2, 0.5, 0.4, {"AP@0.5": 0.3, "AP@0.5 tissue": 0.2})]
    write_report(tmp_path / "report.html", card, history, {}, ["tissue stained", "other"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("Them 2024 (tissue)", "CC BY 4.0", "1,234", ">base<", ">tissue stained<", "4,321", "0.123", "0.456"):
        assert text in page
    assert page.count("<svg") == 3
    write_report(tmp_path / "report.html", card, HISTORY, {})
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<svg") == 2


def test_examples_show_truth_and_prediction_of_real_segmentations():
    drawn = fluorescent_nuclei(shape=(160, 160), count=12)
    model = load_model()
    signal = (drawn.image / drawn.image.max()).astype(np.float32)
    pixels = np.stack([signal] * model.card.architecture.in_channels)
    samples = [Sample("true", pixels, drawn.labels, "a"), Sample("empty", pixels, np.zeros_like(drawn.labels), "b")]
    good, bad = nuclei_examples(model, samples, choose_device("cpu"), Silent())
    assert good.score > 0.7
    assert bad.score == 0
    assert good.image.shape == good.predicted.shape == (160, 160, 3)
    assert (good.predicted != good.image).any()
    assert (bad.truth == bad.image).all()


def test_three_channels_are_shown_as_colours():
    image = np.zeros((3, 2, 2), np.float32)
    image[0] = 1.0
    assert as_seen(image)[0, 0].tolist() == [255, 0, 0]
    stained = np.stack([np.full((2, 2), value, np.uint8) for value in (150, 90, 160)])
    assert as_seen(image, stained)[0, 0].tolist() == [150, 90, 160], "in its own colours, not as a network reads it"
    assert np.ptp(as_seen(np.random.default_rng(0).random((2, 5, 5), np.float32)), axis=-1).max() == 0
