"""Files of text, spoiled: settings, lists, tables, regions, outlines, classes, templates, and the notes of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import imageio.v3 as iio
import numpy as np
import pandas as pd
import tifffile

from endurance.bounded import WrongRead
from endurance.spoiling import spoiled_bytes, spoiled_head, spoiled_json, spoiled_text, spoiled_zip
from endurance.tally import Tally
from endurance.trials import Case, file_spoiled, try_cases
from endurance.works import MODEL, do_movie, do_slide, prepare_movie, prepare_slide, template
from napari_unet_nuclei.core.corrections.store import list_corrections, read_correction, save_correction
from napari_unet_nuclei.core.errors import DatasetError, NucleiError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.drawn_file import read_areas, read_regions, read_spots
from napari_unet_nuclei.core.image.io.label_file import read_labels
from napari_unet_nuclei.core.image.io.path_list import read_list
from napari_unet_nuclei.core.image.layouts.harmony_index import read_harmony_index
from napari_unet_nuclei.core.labels.classify.class_file import read_classes, write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.core.progress import Cancelled, Event, Silent
from napari_unet_nuclei.core.settings import BatchSettings, FinetuneSettings, SegmentSettings, TrainSettings
from napari_unet_nuclei.core.settings_base import Settings, read_settings
from napari_unet_nuclei.core.train.layouts import list_entries
from napari_unet_nuclei.gui.batch.choices import (
    FOLDER_VARIABLE,
    BatchChoices,
    read_template,
    save_template,
    template_names,
)
from tests.helpers.corrections import drawn_correction, full_correction
from tests.helpers.datasets import write_index
from tests.helpers.program import write_image
from tests.helpers.small_run import SETTINGS, sample, small_trainer
from tests.helpers.tiny import write_tiny_model

SHAPE = (60, 80)
SIZE = ("YX", SHAPE)
TABLE = pd.DataFrame({"area_px": [90.0, 95, 30, 35], "GFP_mean": [5.0, np.nan, 8, 9.5]})
SPLITS = ("image,split,dataset,licence", "a,train,ours,CC0", "b,val,ours,CC0", "c,test,theirs,")
HARMONY = """<?xml version="1.0"?><Data><Images><Image Version="1"><ChannelID>1</ChannelID>
<ChannelName>HOECHST 33342</ChannelName><ImageResolutionX Unit="m">5.98E-07</ImageResolutionX>
<ImageResolutionY Unit="m">5.98E-07</ImageResolutionY></Image></Images></Data>"""
POLYGONS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[2, 2], [40, 2], [40, 30], [2, 30], [2, 2]]]},
            "properties": {"name": "tumour", "objectType": "annotation", "classification": {"name": "Tumor"}},
        },
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [[[[50, 40], [70, 40], [70, 55], [50, 40]]]]},
            "properties": {"objectType": "detection"},
        },
    ],
}
KINDS: tuple[type[Settings], ...] = (SegmentSettings, BatchSettings, TrainSettings, FinetuneSettings)


def run(share: float, kept: Path) -> Tally:
    """Spoil files of text, and read them."""
    return try_cases("Settings, indices, regions, outlines, classes, templates, notes", CASES, share, kept)


def labels() -> np.ndarray:
    """Draw four square nuclei."""
    drawn = np.zeros(SHAPE, np.int32)
    for number, (y, x) in enumerate(((4, 4), (4, 30), (30, 4), (40, 60)), start=1):
        drawn[y : y + 12, x : x + 12] = number
    return drawn


def make_settings(folder: Path) -> None:
    """Write the defaults of every verb, and settings as they are nested in a run's description."""
    for kind in KINDS:
        (folder / f"{kind.__name__}.json").write_text(kind().model_dump_json(), encoding="utf-8")
    nested = {"settings": SegmentSettings().model_dump(mode="json"), "model": "nuclei"}
    (folder / "run.json").write_text(json.dumps(nested), encoding="utf-8")


def read_all_settings(folder: Path) -> None:
    """Read them, each as what it is."""
    for kind in KINDS:
        read_settings(folder / f"{kind.__name__}.json", kind)
    read_settings(folder / "run.json", SegmentSettings)


def make_corrections(folder: Path) -> None:
    """Save two corrections."""
    save_correction(folder, full_correction("one"))
    save_correction(folder, drawn_correction("two", 1))


def use_corrections(folder: Path) -> None:
    """List and read corrections, and save one more; the index must stay where it cannot be read."""
    before = (folder / "index.json").read_bytes()
    try:
        for entry in list_corrections(folder):
            read_correction(folder, entry.name)
        save_correction(folder, full_correction("three"))
    except DatasetError:
        if (folder / "index.json").read_bytes() != before:
            raise WrongRead("an index that could not be read was written") from None
        raise


def make_region(folder: Path) -> None:
    """Write drawn regions."""
    (folder / "regions.geojson").write_text(json.dumps(POLYGONS), encoding="utf-8")


def read_region(folder: Path) -> None:
    """Read them as regions of an image, and as named areas."""
    path = folder / "regions.geojson"
    [region] = read_regions(path, SHAPE, 1)
    if region.shape != SHAPE:
        raise WrongRead(f"a region of shape {region.shape}")
    read_areas(path)


def reading_outlines(name: str) -> Callable[[Path], None]:
    """Return what reads outlines as labels, at the size of their image and at their own."""

    def read(folder: Path) -> None:
        for size in (SIZE, None):
            found = read_labels(folder / name, size).file.array
            if size and found.shape != SHAPE:
                raise WrongRead(f"labels of shape {found.shape}")

    return read


def make_classes(folder: Path) -> None:
    """Teach and write classes of nuclei."""
    write_classes(folder / "classes.json", NucleusClasses.taught(TABLE, ["large", "large", "small", "small"]))


def use_classes(folder: Path) -> None:
    """Tell a table by classes from a file."""
    read_classes(folder / "classes.json").tell(TABLE)


def make_template(folder: Path) -> None:
    """Save a template of a folder run."""
    os.environ[FOLDER_VARIABLE] = os.fspath(folder)
    save_template("mine", BatchChoices())


def use_template(folder: Path) -> None:
    """Choose a template."""
    os.environ[FOLDER_VARIABLE] = os.fspath(folder)
    for name in template_names():
        read_template(name, BatchChoices())


def make_list(folder: Path) -> None:
    """Write a list of images as a table."""
    write_image(folder / "a.png")
    (folder / "list.csv").write_text("path,comment\na.png,good\n*.png,all\n", encoding="utf-8")


def make_spots(folder: Path) -> None:
    """Write spots as napari does."""
    (folder / "spots.csv").write_text("index,axis-0,axis-1\n0,3.5,7.25\n1,10,20\n", encoding="utf-8")


def make_harmony(folder: Path) -> None:
    """Write the index of a plate."""
    (folder / "Index.idx.xml").write_text(HARMONY, encoding="utf-8")


def make_results(folder: Path) -> None:
    """Segment two images."""
    write_tiny_model(folder / MODEL)
    for seed in (1, 2):
        (folder / "in").mkdir(exist_ok=True)
        write_image(folder / "in" / f"{seed}.png", seed)
    go_on(folder)


def go_on(folder: Path) -> None:
    """Run again over results; nothing may be a bug, and in the end all labels are there."""
    report = segment_files([folder / "in"], folder / "out", template(folder))
    for record in report.records:
        if "bug" in record.error:
            raise WrongRead(record.error[:200])
        if record.error:
            raise NucleiError(record.error)
        if tifffile.imread(record.labels).shape != iio.imread(record.image).shape:
            raise WrongRead("labels of another shape count as done")
        pd.read_csv(record.table)


def spoil_results(folder: Path, drawn: Random) -> None:
    """Spoil one of the files that a run left."""
    paths = [path for path in sorted((folder / "out").rglob("*")) if path.is_file() and path.stat().st_size]
    path = drawn.choice(paths)
    spoiler = {".json": spoiled_json, ".csv": spoiled_text}.get(path.suffix, spoiled_bytes)
    path.write_bytes(spoiler(path.read_bytes(), drawn))


class Stop(Silent):
    """Cancels at a word of the progress."""

    def __init__(self, word: str) -> None:
        self._word = word

    def report(self, event: Event) -> None:
        """Cancel, if it is time."""
        if self._word in str(event):
            raise Cancelled


def make_half_a_movie(folder: Path) -> None:
    """Segment a movie until its third frame."""
    prepare_movie(folder)
    with suppress(Cancelled):
        segment_files([folder / "in"], folder / "out", template(folder), Stop("frame 3 of"))


def make_half_a_slide(folder: Path) -> None:
    """Label a slide until its fifth block."""
    prepare_slide(folder)
    with suppress(Cancelled):
        do_slide(folder, Stop("block 5"))


def spoil_work(folder: Path, drawn: Random) -> None:
    """Spoil a file of what is under way, as a power cut does: empty it, cut it, or leave zeros in it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    path = drawn.choice([one for one in files if any(part.startswith(".") for part in one.relative_to(folder).parts)])
    content = path.read_bytes()
    cut = content[: drawn.randrange(len(content))]
    path.write_bytes(drawn.choice((b"", cut, cut + bytes(len(content) - len(cut)))))


def make_checkpoint(folder: Path) -> None:
    """Train for an epoch."""
    train_on(folder, SETTINGS.changed(steps=3))


def train_on(folder: Path, settings: TrainSettings = SETTINGS) -> None:
    """Train, or go on from the checkpoint."""
    small_trainer(settings).fit([sample(0), sample(1)], [sample(2)], Silent(), folder / "run.safetensors")


JSON, TEXT = file_spoiled(spoiled_json), file_spoiled(spoiled_text)


def spoil_archive(folder: Path, drawn: Random) -> None:
    """Spoil the archive of ImageJ's regions, or a region in it."""
    path = folder / "rois.zip"
    path.write_bytes(spoiled_zip(path.read_bytes(), drawn, {}))


CASES = (
    Case("settings", 400, make_settings, JSON, read_all_settings),
    Case(
        "index of corrections", 300, make_corrections, file_spoiled(spoiled_json, ending="index.json"), use_corrections
    ),
    Case(
        "index of a data set",
        200,
        lambda folder: write_index(folder, *SPLITS),
        file_spoiled(spoiled_text, spoiled_bytes, ending=".csv"),
        lambda folder: list_entries(folder / "index.csv"),
    ),
    Case("index of a plate", 150, make_harmony, TEXT, read_harmony_index),
    Case(
        "list of images",
        150,
        make_list,
        file_spoiled(spoiled_text, spoiled_bytes, ending=".csv"),
        lambda folder: read_list(folder / "list.csv"),
    ),
    Case("spots", 150, make_spots, TEXT, lambda folder: read_spots(folder / "spots.csv", "YX")),
    Case("regions, GeoJSON", 300, make_region, JSON, read_region),
    Case(
        "nuclei, GeoJSON",
        300,
        lambda folder: write_geojson(folder / "nuclei.geojson", labels()),
        JSON,
        reading_outlines("nuclei.geojson"),
    ),
    Case(
        "nuclei, ImageJ ROIs",
        400,
        lambda folder: write_imagej_rois(folder / "rois.zip", labels()),
        spoil_archive,
        reading_outlines("rois.zip"),
    ),
    Case("classes of nuclei", 200, make_classes, JSON, use_classes),
    Case("templates", 200, make_template, JSON, use_template),
    Case("results of a run", 300, make_results, spoil_results, go_on),
    Case("half a movie", 100, make_half_a_movie, spoil_work, do_movie),
    Case("half a slide", 100, make_half_a_slide, spoil_work, do_slide),
    Case("checkpoint of a training", 200, make_checkpoint, file_spoiled(spoiled_bytes, spoiled_head), train_on),
)
