"""Files that a run leaves keep their format, so that a later version goes on from them and other programs read on."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest
import tifffile

from napari_unet_nuclei.core.blocks.plan import read_plan
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.folder.large_image import BlockSettings
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment.fingerprint import hash_image, hash_request
from napari_unet_nuclei.core.segment.template import RequestTemplate
from tests.helpers.block_images import BLOCK, IMAGE, SETTINGS, request_of, write_image
from tests.helpers.recording import RecordingProgress

EXPECTED = json.loads(Path(__file__).with_name("formats.json").read_text(encoding="utf-8"))


def shape(value: object) -> object:
    """Names and types of a JSON value, without what changes from run to run."""
    match value:
        case dict():
            return {name: "settings" if name == "settings" else shape(one) for name, one in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case _:
            return type(value).__name__


def sha256(described: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


@pytest.fixture
def finished_run(tiny_model_file: Path, tmp_path: Path) -> tuple[Path, RequestTemplate]:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", IMAGE)
    write_image(tmp_path / "in" / "b.ome.zarr", 3)
    template = RequestTemplate(SETTINGS.changed(diameter=22.0), str(tiny_model_file))
    segment_files([tmp_path / "in"], tmp_path / "out", template, blocks=BlockSettings(block=BLOCK))
    return tmp_path / "out", template


def test_what_a_run_notes_keeps_its_names_and_types(finished_run: tuple[Path, RequestTemplate]) -> None:
    out, _ = finished_run
    with tifffile.TiffFile(out / "a_labels.tif") as labels:
        provenance = shape(labels.shaped_metadata[0]["provenance"])
    found = {
        "note": shape(json.loads((out / ".nuclei" / "a.json").read_text())),
        "note in blocks": shape(json.loads((out / ".nuclei" / "b.json").read_text())),
        "run.json": shape(json.loads((out / "run.json").read_text())),
        "summary.csv": (out / "summary.csv").read_text().splitlines()[0].split(","),
        "labels": provenance,
        "store": shape(read_provenance(out / "b_labels.ome.zarr")),
    }
    found["run.json"]["models"] = shape(["hash"])  # their names are the user's
    assert found == EXPECTED["run"]


def test_what_blocks_keep_of_their_plan_keeps_its_names_and_types(tmp_path: Path, tiny_model_file: Path) -> None:
    image, out = write_image(tmp_path / "i.ome.zarr", 3), tmp_path / "l.ome.zarr"
    asked = request_of(image, diameter=22.0, model=str(tiny_model_file))
    with pytest.raises(Cancelled):
        segment_blockwise(asked, out, RecordingProgress(cancel_after=12), block=BLOCK)
    [plan] = tmp_path.glob(".l.ome.zarr.part/plan.json")
    assert shape(json.loads(plan.read_text())) == EXPECTED["plan"]
    # Earlier versions repeated some values of the provenance; what they have begun is gone on with.
    earlier = json.loads(plan.read_text()) | {"model": "tiny", "channel": "the only channel", "diameter": 22.0}
    plan.write_text(json.dumps(earlier))
    assert read_plan(plan, earlier["fingerprint"]) is not None


def test_a_request_is_known_by_the_same_fingerprint(finished_run: tuple[Path, RequestTemplate]) -> None:
    out, template = finished_run
    card = default_registry().find(template.model).card
    said = {"schema_version", "name", "description", "training", "metrics", "limits", "licence", "parent"}
    settings = {name: value for name, value in template.settings.model_dump().items() if name not in ("device", "tile")}
    settings = {name: value for name, value in settings.items() if not settings.get(f"{name}_auto", False)}
    expected = {
        "program": version("napari-unet-nuclei"),
        "model": card.model_dump(mode="json", exclude=said),
        "settings": settings,
        "axes": "",
        "plane": {},
        "region": None,
        "series": 0,
    }
    assert hash_request(template) == sha256(expected)
    assert json.loads((out / ".nuclei" / "a.json").read_text())["request_hash"] == sha256(expected)


def test_blocks_are_known_by_the_same_fingerprint(finished_run: tuple[Path, RequestTemplate]) -> None:
    out, template = finished_run
    image = out.parent / "in" / "b.ome.zarr"
    card = default_registry().find(template.model).card
    settings = {name: value for name, value in template.settings.model_dump().items() if name not in ("device", "tile")}
    expected = {
        "program": version("napari-unet-nuclei"),
        "series": 0,
        "channels": list(read_image(image).channel_names),
        "image": hash_image(image / "0"),
        "shape": list(IMAGE.shape),
        "axes": "YX",
        "indices": [[]],
        "region": [0, IMAGE.shape[0], 0, IMAGE.shape[1]],
        "pixel_size": [0.3, 0.3],
        "model": card.model_dump(mode="json", exclude={"name", "description"}),
        "settings": settings,
        "side": BLOCK,
    }
    written = read_provenance(out / "b_labels.ome.zarr")
    assert written is not None
    assert written["fingerprint"] == sha256(expected)


def test_a_finished_run_is_not_done_again(finished_run: tuple[Path, RequestTemplate]) -> None:
    out, template = finished_run
    elsewhere = RequestTemplate(template.settings.changed(device="auto", tile=128), template.model)
    report = segment_files([out.parent / "in"], out, elsewhere, blocks=BlockSettings(block=BLOCK))
    assert [record.status for record in report.records] == ["skipped", "skipped"]
