"""Labels of any origin, outlines, masks beside images, lists and names, options without effect."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pandas as pd
import tifffile
from skimage.segmentation import expand_labels
from typer.testing import CliRunner

from benchmarks.drawn.case import Case, Found, described
from benchmarks.drawn.drawing import bright, field, outlines
from napari_unet_nuclei import evaluate
from napari_unet_nuclei.cli import app
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois

LARGE = 2**62
"""Ids of this size, and their neighbours, are one number as floats."""


def label_cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from _label_types()
    yield from _outlines()
    yield from _masks_beside()
    yield from _names()
    yield from _without_effect()


def measure_drawn(given: Any, out: Path, options: Mapping[str, Any]) -> Found:
    """Measure the labels ``given`` in the image beside them."""
    del options
    out.mkdir(parents=True)
    table = out / "table.csv"
    failed = ran("measure", given, given.parent / "image.tif", "--out", table)
    return failed or described([pd.read_csv(table)])


def ran(*arguments: object) -> Found | None:
    """Run the command line; return its message if it fails."""
    ended = CliRunner().invoke(app, [str(one) for one in arguments])
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Found(refusals=(" ".join(ended.stderr.split()),)) if ended.exit_code else None


def evaluate_drawn(given: Any, out: Path, options: Mapping[str, Any]) -> Found:
    """Compare two folders; the counts are those of the nuclei that match, of every pair."""
    del out, options
    found = evaluate(given / "predicted", given / "true")
    return Found(tuple(int(image.comparison.matches.found[0]) for image in found.images), refusals=found.problems)


def _label_types() -> Iterator[Case]:
    labels = outlines(8)
    means = {"image": bright()}
    types = ("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
    stored: dict[str, Any] = {f"labels {dtype}": labels.astype(dtype) for dtype in types}
    large = np.where(labels > 0, labels + np.int64(LARGE), 0)
    stored["labels near 2^62"] = large
    stored["labels near 2^62, unsigned"] = large.astype(np.uint64)
    stored["labels, background NaN"] = np.where(labels > 0, labels, np.nan).astype("float32")
    stored["labels, background -1"] = np.where(labels > 0, labels, -1)
    stored["labels (1, Y, X)"] = labels[None]
    stored["labels with gaps"] = labels * 1000
    for name, ids in stored.items():
        yield Case(name, partial(_labelled, ids=ids), (8,), means=means, run=measure_drawn)
    fractions = partial(_labelled, ids=labels + 0.5)
    yield Case("labels with fractions", fractions, refused="fractions", run=measure_drawn)
    other = partial(_labelled, ids=labels[:-5])
    yield Case("labels of another size", other, refused="same size", run=measure_drawn)
    yield Case("labels that are a PNG", _labelled_png, (8,), means=means, run=measure_drawn)


def _labelled(folder: Path, ids: Any) -> Path:
    tifffile.imwrite(folder / "image.tif", field(8))
    tifffile.imwrite(folder / "labels.tif", ids, photometric="minisblack")
    return folder / "labels.tif"


def _labelled_png(folder: Path) -> Path:
    tifffile.imwrite(folder / "image.tif", field(8))
    iio.imwrite(folder / "labels.png", outlines(8).astype("uint16"))
    return folder / "labels.png"


def _outlines() -> Iterator[Case]:
    for name, write in {"image_rois.zip": write_imagej_rois, "image_nuclei.geojson": write_geojson}.items():
        means = {"image": bright()}
        draw = partial(_outlined, name=name, write=write)
        yield Case(f"outlines {name}", draw, (8,), means=means, run=measure_drawn)
        compared = partial(_compared, name=name, write=write)
        yield Case(f"evaluate {name}", compared, (8,), run=evaluate_drawn)
    means = {"image": bright()}
    packed = partial(_outlined, name="image.geojson.gz", write=_write_packed)
    yield Case("outlines image.geojson.gz", packed, (8,), means=means, run=measure_drawn)
    cells = partial(_outlined, name="image.geojson", write=_write_cells)
    yield Case("outlines of cells with nuclei", cells, (8,), means=means, run=measure_drawn)
    several = partial(_outlined, name="image.geojson", write=_write_pieces)
    yield Case("outlines in pieces", several, (2,), means=means, run=measure_drawn)
    yield Case("outlines that are text", _no_outlines, refused="GeoJSON", run=measure_drawn)
    yield Case("outlines that are JSON of another kind", _other_json, refused="GeoJSON", run=measure_drawn)


def _outlined(folder: Path, name: str, write: Any) -> Path:
    tifffile.imwrite(folder / "image.tif", field(8))
    write(folder / name, outlines(8))
    return folder / name


def _compared(folder: Path, name: str, write: Any) -> None:
    for kind in ("predicted", "true"):
        (folder / kind).mkdir()
    tifffile.imwrite(folder / "predicted" / "image_labels.tif", outlines(8))
    write(folder / "true" / name, outlines(8))


def _write_packed(path: Path, labels: Any) -> None:
    plain = path.with_suffix("")
    write_geojson(plain, labels)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def _write_cells(path: Path, labels: Any) -> None:
    write_geojson(path, labels, cells=expand_labels(labels, 3))


def _write_pieces(path: Path, labels: Any) -> None:
    """Write nuclei of several pieces each, as after a cut."""
    write_geojson(path, np.where(labels > 0, labels % 2 + 1, 0))


def _other_json(folder: Path) -> Path:
    tifffile.imwrite(folder / "image.tif", field(8))
    (folder / "image.json").write_text('{"shapes": [{"points": [[1, 1], [9, 1], [9, 9]]}]}')
    return folder / "image.json"


def _no_outlines(folder: Path) -> Path:
    tifffile.imwrite(folder / "image.tif", field(8))
    (folder / "image.geojson").write_text("no")
    return folder / "image.geojson"


def _masks_beside() -> Iterator[Case]:
    """Masks of other programs beside an image are no images of their own."""
    for ending in ("_cp_masks.png", "_cp_masks.tif", "_masks.tif", "_mask.png", "_labels.tif", "_seg.tif"):
        yield Case(f"a{ending} beside a.tif", partial(_beside, ending=ending), (8,))
        yield Case(f"evaluate a{ending}", partial(_evaluated, ending=ending), (8,), run=evaluate_drawn)
    yield Case("a_mask.tif given by name is an image", _mask_by_name, (8,))


def _beside(folder: Path, ending: str) -> None:
    tifffile.imwrite(folder / "a.tif", field(8))
    _write_mask(folder / f"a{ending}", 8)


def _evaluated(folder: Path, ending: str) -> None:
    for kind in ("predicted", "true"):
        (folder / kind).mkdir()
    _write_mask(folder / "predicted" / f"a{ending}", 8)
    tifffile.imwrite(folder / "true" / "a.tif", outlines(8))


def _write_mask(path: Path, count: int) -> None:
    iio.imwrite(path, outlines(count).astype("uint16"))


def _mask_by_name(folder: Path) -> Path:
    tifffile.imwrite(folder / "a_mask.tif", field(8))
    return folder / "a_mask.tif"


def _names() -> Iterator[Case]:
    """Names and lists as other systems write them."""
    yield Case("evaluate names composed and decomposed", _two_forms, (8,), run=evaluate_drawn)
    for name, text in {
        "list": "a.tif\nb.tif\n",
        "list with blank lines and CRLF": "a.tif\r\n\r\nb.tif\r\n",
        "list with quotes": '"a.tif"\n"b.tif"\n',
        "list with comments of spaces": "  a.tif  \n b.tif\n",
    }.items():
        yield Case(name, partial(_listed, content=text.encode()), (4, 8), run=_segment_list)
    for encoding in ("utf-8-sig", "utf-16"):
        draw = partial(_listed, content="a.tif\nb.tif\n".encode(encoding))
        yield Case(f"list in {encoding}", draw, (4, 8), run=_segment_list)
    yield Case("name with spaces and umlauts", _odd_name, (8,))
    yield Case("nothing but text", _text_only, refused="No image")
    yield Case("a file that is not there", lambda folder: folder / "b.tif", refused="does not exist")


def _two_forms(folder: Path) -> None:
    for kind, form in (("predicted", "NFD"), ("true", "NFC")):
        (folder / kind).mkdir()
        tifffile.imwrite(folder / kind / unicodedata.normalize(form, "Zürich.tif"), outlines(8))


def _listed(folder: Path, content: bytes) -> Path:
    for name, count in (("a", 4), ("b", 8)):
        tifffile.imwrite(folder / f"{name}.tif", field(count))
    (folder / "list.txt").write_bytes(content)
    return folder / "list.txt"


def _segment_list(given: Any, out: Path, options: Mapping[str, Any]) -> Found:
    del options
    failed = ran("segment", "--list", given, "--out", out, "--device", "cpu", "--quiet")
    return failed or described([pd.read_csv(table) for table in sorted(out.glob("*_table.csv"))])


def _odd_name(folder: Path) -> None:
    (folder / "Über Nacht, 3 %").mkdir()
    tifffile.imwrite(folder / "Über Nacht, 3 %" / "ä [1] #2.tif", field(8))


def _text_only(folder: Path) -> None:
    (folder / "a.txt").write_text("x")


def _without_effect() -> Iterator[Case]:
    """Options that change nothing about an image are errors."""
    draw = partial(_single, image=field(8))
    yield Case("series 1 of a single image", draw, refused="image", options={"series": 1})
    yield Case("channel 1 of a single channel", draw, refused="channel", options={"channel": 1})
    yield Case("plane 5 of a single plane", draw, refused="plane", options={"plane": {"Z": 5}})
    yield Case("axes with a letter too many", draw, refused="axes", options={"axes": "ZYX"})
    yield Case("region beyond the image", draw, refused="region", options={"region": (0, 999, 0, 50)})


def _single(folder: Path, image: Any) -> None:
    tifffile.imwrite(folder / "a.tif", image)
