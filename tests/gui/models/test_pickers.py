from __future__ import annotations

import pytest

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.models.picker import DevicePicker, ModelPicker
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel

MODELS_OWN = DecodeThresholds(0.437, 0.61, 37, 1.7)


@pytest.fixture
def thresholds(qtbot) -> ThresholdPanel:
    panel = ThresholdPanel()
    qtbot.addWidget(panel)
    panel.show_result(MODELS_OWN, diameter=38.0)
    return panel


def test_untouched_thresholds_are_exactly_the_models(thresholds) -> None:
    assert thresholds.thresholds() == MODELS_OWN
    assert thresholds.changed_settings(SegmentSettings()) == SegmentSettings()
    assert not thresholds.reset_button.isEnabled()


def test_a_moved_slider_sets_its_threshold_alone(qtbot, thresholds) -> None:
    with qtbot.waitSignal(thresholds.changed):
        thresholds.sliders["split"].slider.setValue(70)
    assert thresholds.thresholds() == DecodeThresholds(0.437, 0.7, 37, 1.7)
    assert thresholds.changed_settings(SegmentSettings()) == SegmentSettings().changed(split=0.7)


def test_a_threshold_can_be_typed_beyond_the_slider(qtbot, thresholds) -> None:
    size = thresholds.sliders["min_size"]
    assert 1000 < size.slider.maximum() < 1200
    size.box.setValue(5000)
    assert thresholds.thresholds().min_size == 5000
    assert size.slider.value() == 5000


def test_reset_goes_back_to_the_model(qtbot, thresholds) -> None:
    thresholds.sliders["foreground"].slider.setValue(80)
    with qtbot.waitSignal(thresholds.changed):
        thresholds.reset_button.click()
    assert thresholds.thresholds() == MODELS_OWN


def test_remembered_thresholds_come_back(thresholds) -> None:
    settings = SegmentSettings().changed(foreground=0.3, min_size=80)
    thresholds.setValue(settings)
    assert thresholds.changed_settings(SegmentSettings()) == settings
    assert thresholds.thresholds() == DecodeThresholds(0.3, 0.61, 80, 1.7)


def test_models_are_listed_and_the_automatic_choice_is_named(qtbot, tiny_model) -> None:
    picker = ModelPicker()
    qtbot.addWidget(picker)
    assert picker.value() == "automatic"
    assert picker.note.text() == "the bundled model"
    picker.show_used(tiny_model)
    assert picker.note.text() == "used: tiny"
    picker.setValue(tiny_model)
    assert picker.note.text() == "for fluorescence images"


def test_a_chosen_model_stays_chosen_when_the_list_is_read_again(qtbot, tiny_model) -> None:
    picker = ModelPicker()
    qtbot.addWidget(picker)
    picker.setValue(tiny_model)
    picker.refresh()
    assert picker.value() == tiny_model


def test_devices_are_known_after_a_run(qtbot) -> None:
    picker = DevicePicker()
    qtbot.addWidget(picker)
    assert picker.value() == "auto"
    picker.show_devices(["cuda:0", "cpu"])
    assert [picker.box.itemData(i) for i in range(picker.box.count())] == ["auto", "cuda:0", "cpu"]
    picker.show_used("cuda:0 (a card)")
    assert picker.note.text() == "used: cuda:0 (a card)"


def test_only_wanted_results_are_delivered(qtbot) -> None:
    jobs = LatestJob()
    delivered = []
    jobs.succeeded.connect(delivered.append)
    for number in range(20):
        jobs.submit(lambda _progress, number=number: number)
    qtbot.waitUntil(lambda: not jobs.is_busy)
    assert delivered[-1] == 19
    assert delivered == sorted(delivered)
    jobs.submit(lambda _progress: "unwanted")
    jobs.cancel()
    with qtbot.waitSignal(jobs.succeeded) as wanted:
        jobs.submit(lambda _progress: "wanted")
    assert wanted.args == ["wanted"]
    assert "unwanted" not in delivered


def test_a_failed_job_is_told(qtbot) -> None:
    jobs = LatestJob()
    with qtbot.waitSignal(jobs.failed) as failed:
        jobs.submit(lambda _progress: 1 / 0)
    assert isinstance(failed.args[0], ZeroDivisionError)
