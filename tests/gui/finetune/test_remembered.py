from __future__ import annotations

import pytest

from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from tests.helpers.menus import open_menu


@pytest.mark.gui
def test_choices_come_back() -> None:
    assert recall(FinetuneChoices) == FinetuneChoices()
    choices = FinetuneChoices(FinetuneSettings().changed(time=60, layers="decoder"), "mine", "/images")
    remember(choices)
    assert recall(FinetuneChoices) == choices


def test_the_menus_have_the_dock(make_napari_viewer) -> None:
    window = make_napari_viewer().window
    assert "Fine-tune (Nuclei)" in open_menu(window.layers_menu, "Annotate")
    assert "Fine-tune (Nuclei)" in open_menu(window.plugins_menu, "Nuclei")
