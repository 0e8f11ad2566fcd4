from __future__ import annotations

import pytest
from annotated_types import Ge, Le
from qtpy.QtWidgets import QLabel

from napari_unet_nuclei.core.settings import FinetuneSettings, SegmentSettings, TrainSettings
from napari_unet_nuclei.core.settings_base import Settings
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm

KINDS = [SegmentSettings, TrainSettings]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_come_back_from_the_form(qtbot, kind: type[Settings]) -> None:
    form = SettingsForm(kind)
    qtbot.addWidget(form)
    assert form.value() == kind()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bound", [Ge, Le])
def test_every_number_goes_as_far_as_its_bounds(qtbot, kind: type[Settings], bound: type) -> None:
    extremes = {
        name: getattr(limit, "ge" if bound is Ge else "le")
        for name, field in kind.model_fields.items()
        for limit in field.metadata
        if isinstance(limit, bound)
    }
    form = SettingsForm(kind)
    qtbot.addWidget(form)
    settings = kind().changed(**extremes)
    form.setValue(settings)
    assert form.value() == settings


def test_the_switch_disables_number_and_unit(qtbot) -> None:
    form = SettingsForm(SegmentSettings, ["diameter"])
    qtbot.addWidget(form)
    assert not form.control("diameter").enabled
    with qtbot.waitSignal(form.valueChanged):
        form.control("diameter_auto").native.click()
    assert form.control("diameter").enabled
    assert form.control("diameter_unit").enabled
    form.control("diameter").value = 31.5
    assert form.value() == SegmentSettings().changed(diameter=31.5)


def test_fields_without_a_row_are_kept(qtbot) -> None:
    form = SettingsForm(SegmentSettings, ["flips"])
    qtbot.addWidget(form)
    form.setValue(SegmentSettings().changed(tile=512))
    form.control("flips").native.click()
    assert form.value() == SegmentSettings().changed(tile=512, flips=True)


def test_every_control_explains_itself_with_its_unit(qtbot) -> None:
    form = SettingsForm(SegmentSettings)
    qtbot.addWidget(form)
    for name, field in SegmentSettings.model_fields.items():
        assert field.description in form.control(name).tooltip
    assert form.control("tile").tooltip.endswith("64 to 8192 px")
    assert "Tile (px)" in [label.text() for label in form.findChildren(QLabel)]


def test_a_text_field_can_be_a_choice(qtbot) -> None:
    form = SettingsForm(SegmentSettings, ["device"], choices={"device": ["auto", "cpu"]})
    qtbot.addWidget(form)
    form.control("device").value = "cpu"
    assert form.value().device == "cpu"


def test_a_time_is_shown_in_whole_minutes(qtbot) -> None:
    form = SettingsForm(FinetuneSettings, ["time"])
    qtbot.addWidget(form)
    form.setValue(FinetuneSettings().changed(time=300))
    assert form.control("time").native.text() == "5 min"
    form.control("time").native.stepUp()
    assert form.value() == FinetuneSettings().changed(time=360)
    form.setValue(FinetuneSettings().changed(time=5))
    assert form.control("time").native.text() == "1 min"
