from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from importlib.resources import files
from typing import Literal, get_args, get_origin

import pytest
import yaml
from annotated_types import Ge
from npe2 import PluginManifest
from pydantic.fields import FieldInfo

from napari_unet_nuclei.core.settings_base import Settings
from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.batch.choices import STACKS, BatchChoices
from napari_unet_nuclei.gui.demo import SAMPLE, open_demo
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices
from napari_unet_nuclei.gui.segment.form import SegmentChoices
from napari_unet_nuclei.gui.segment.image_panel import SCOPES
from napari_unet_nuclei.gui.viewer.dock import BATCH, CORRECT, FINETUNE, FOLLOW, MEASURE, MODELS, SEGMENT
from tests.helpers.menus import open_menu

MANIFEST = files("napari_unet_nuclei") / "napari.yaml"
JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}

OPEN_EVERY_DOCK = """
import json, sys
import napari
viewer = napari.Viewer(show=False)
viewer.open_sample("napari-unet-nuclei", "fluorescent_nuclei")
for name in (
    "Segment nuclei", "Measure nuclei", "Correct nuclei", "Follow over time", "Models", "Fine-tune",
    "Batch segment folder",
):
    viewer.window.add_plugin_dock_widget("napari-unet-nuclei", name)
print(json.dumps(sorted({"torch", "kornia"} & set(sys.modules))))
viewer.close()
"""


def test_the_manifest_is_valid() -> None:
    PluginManifest.from_file(str(MANIFEST)).validate_imports()


def described(field: FieldInfo) -> dict[str, object]:
    """What a manifest must say of a setting."""
    if get_origin(field.annotation) is Literal:
        kind: dict[str, object] = {"type": "string", "enum": list(get_args(field.annotation))}
    else:
        kind = {"type": JSON_TYPES[field.annotation]}
    for bound in field.metadata:
        kind |= {"minimum": bound.ge} if isinstance(bound, Ge) else {"maximum": bound.le}
    return {**kind, "default": field.default, "description": field.description}


@pytest.mark.parametrize(
    ("dock", "choices"), [("segment", SegmentChoices()), ("finetune", FinetuneChoices()), ("batch", BatchChoices())]
)
def test_what_is_remembered_is_what_the_settings_say(dock: str, choices: object) -> None:
    stored = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]["configurations"][dock]["properties"]
    kept = {field.name: getattr(choices, field.name) for field in fields(choices)}
    settings = [kept.pop(name) for name, value in [*kept.items()] if isinstance(value, Settings)]
    assert settings
    expected = {name: described(field) for kind in settings for name, field in type(kind).model_fields.items()}
    assert all(value.pop("title") for value in stored.values())
    assert {name: value for name, value in stored.items() if name not in kept} == expected
    assert {name: stored[name]["default"] for name in kept} == kept


def test_what_docks_remember_besides_the_settings_offers_what_the_docks_offer() -> None:
    stored = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]["configurations"]
    assert tuple(stored["segment"]["properties"]["run_on"]["enum"]) == SCOPES
    assert tuple(stored["batch"]["properties"]["stacks"]["enum"]) == tuple(STACKS)


IN_ORDER = (SEGMENT, CORRECT, FOLLOW, MEASURE, FINETUNE, BATCH, MODELS)


def test_the_menus_have_our_entries(make_napari_viewer) -> None:
    window = make_napari_viewer().window
    assert {"Segment nuclei (Nuclei)", "Segment nuclei with last settings (Nuclei)"} <= set(
        open_menu(window.layers_menu, "Segment", "Nuclei")
    )
    measuring = open_menu(window.layers_menu, "Measure")
    assert {"Measure nuclei (Nuclei)", "Follow over time (Nuclei)"} <= set(measuring)
    assert "Correct nuclei (Nuclei)" in open_menu(window.layers_menu, "Annotate")
    titles = [title.removesuffix(" (Nuclei)") for title in open_menu(window.layers_menu, "Segment", "Nuclei")]
    assert [title for title in titles if title in IN_ORDER] == list(IN_ORDER[:-1]), "Models open from the model box"
    titles = [title.removesuffix(" (Nuclei)") for title in open_menu(window.plugins_menu, "Nuclei")]
    assert [title for title in titles if title in IN_ORDER] == list(IN_ORDER)
    docks = {"Segment nuclei (Nuclei)", "Measure nuclei (Nuclei)", "Correct nuclei (Nuclei)", "Models (Nuclei)"}
    assert docks <= set(open_menu(window.plugins_menu, "Nuclei"))
    samples = {"Fluorescent nuclei", "Nuclei over time", "Nuclei that divide and move fast"}
    assert samples <= set(open_menu(window.file_menu, "Open Sample", "Nuclei"))


def test_the_command_palette_has_our_commands(make_napari_viewer) -> None:
    from app_model.types import MenuItem
    from napari._app_model import get_app_model

    make_napari_viewer()
    app = get_app_model()
    items = app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)
    palette = {item.command.title for item in items if isinstance(item, MenuItem)}
    assert {"Segment nuclei (Nuclei)", "Segment nuclei with last settings (Nuclei)"} <= palette


@pytest.mark.usefixtures("tiny_model")
def test_the_demo_segments_the_sample(qtbot, make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy()
    dock = open_demo(viewer)
    with qtbot.waitSignal(dock.session.answered, timeout=60_000):
        pass
    qtbot.waitUntil(lambda: not dock.job_panel.is_running)
    assert [layer.name for layer in viewer.layers] == ["Fluorescent nuclei", "Fluorescent nuclei labels"]


def test_segmenting_with_last_settings_wants_an_image(qtbot, make_napari_viewer) -> None:
    from napari_unet_nuclei.gui.segment.dock import segment_with_last_settings

    viewer = make_napari_viewer()
    segment_with_last_settings(viewer)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment nuclei")
    assert "image" in dock.job_panel.status_label.text()


@pytest.mark.gui
def test_opening_the_docks_loads_no_torch() -> None:
    run = subprocess.run([sys.executable, "-c", OPEN_EVERY_DOCK], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == []


def test_the_demo_names_a_sample_of_the_manifest() -> None:
    samples = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]["sample_data"]
    assert SAMPLE in {sample["key"] for sample in samples}
