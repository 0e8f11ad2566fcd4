from __future__ import annotations

from importlib.resources import files

import yaml
from annotated_types import Ge, Le

from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices, recall, remember
from tests.helpers.menus import open_menu

MANIFEST = files("napari_unet_nuclei") / "napari.yaml"


def test_what_can_be_remembered_is_what_the_settings_say() -> None:
    stored = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]["configurations"]["finetune"]
    properties = stored["properties"]
    assert set(properties) == {*FinetuneSettings.model_fields, "base", "reference"}
    for name, field in FinetuneSettings.model_fields.items():
        assert properties[name]["default"] == field.default, name
        assert properties[name]["description"] == field.description, name
        limits = [
            bound.ge if isinstance(bound, Ge) else bound.le for bound in field.metadata if isinstance(bound, Ge | Le)
        ]
        assert [properties[name][key] for key in ("minimum", "maximum") if key in properties[name]] == limits, name


def test_choices_come_back(make_napari_viewer) -> None:
    make_napari_viewer()
    assert recall() == FinetuneChoices()
    choices = FinetuneChoices(FinetuneSettings().changed(time=60, layers="decoder"), "mine", "/images")
    remember(choices)
    assert recall() == choices


def test_the_menus_have_the_dock(make_napari_viewer) -> None:
    window = make_napari_viewer().window
    assert "Fine-tune (Nuclei)" in open_menu(window.layers_menu, "Annotate")
    assert "Fine-tune (Nuclei)" in open_menu(window.plugins_menu, "Nuclei")
