"""Write the HTML report of a run: what failed or is doubtful first, then counts, areas and all images."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from napari_unet_nuclei.core.folder.record import FileRecord, without_path
from napari_unet_nuclei.core.folder.summary import BatchReport, read_areas
from napari_unet_nuclei.core.folder.wells import MEAN
from napari_unet_nuclei.core.image.plates import row_letters, row_number
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import drawing, stored_picture

MOST_PICTURES = 60
"""Images that are shown, so that the page of a long run stays light."""

PLOT = (0.15, 0.18, 0.82, 0.78)
"""Place of the axes in a figure; matplotlib's own layout takes longer than drawing."""

NAMES_LISTED = 8
"""Images that are named beside a remark; the summary has them all."""

BLUE, RED = "#3f78b5", "#c0392b"

PLATE_FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of the plates that are sold: 6 to 1,536 wells."""

MOST_CHANNELS = 6
"""Channels whose means are shown, so that the page stays light."""

MOST_NUMBERED = 96
"""Wells of a plate in which numbers can still be read."""

FIGURES_IN_ROW = 2

EMPTY_WELL = "#eeeeee"

BRIGHT = 0.6
"""Share of the colours from which on black is read better than white."""


def write_batch_report(path: Path, report: BatchReport) -> None:
    """Write the report of a run."""
    done = report.succeeded
    sections = [_outcome(report), *_failures(report.failed), *_doubts(report.doubtful), *_remarks(report)]
    sections += [*plate_sections(report.wells), *_distributions(done), *_pictures(done)]
    write_page(path, "Segmented nuclei", [*sections, _run(report)])


def _outcome(report: BatchReport) -> Section:
    """The numbers that matter most, in large print."""
    done = report.succeeded
    skipped = sum(record.skipped for record in done)
    images = "images segmented" + (f", {skipped:,} of them by an earlier run" if skipped else "")
    numbers = {images: f"{len(done):,} of {len(report.records):,}", "failed": f"{len(report.failed):,}"}
    if report.doubtful:
        numbers["worth a look"] = f"{len(report.doubtful):,}"
    if not any(record.classes for record in done):
        numbers["nuclei"] = f"{sum(record.nuclei for record in done):,}"
        gated = [record for record in done if record.positive is not None]
        if gated:
            positive, nuclei = (sum(getattr(record, name) or 0 for record in gated) for name in ("positive", "nuclei"))
            numbers[f"positive: {gated[0].gate}"] = f"{positive / max(nuclei, 1):.1%}".replace("%", " %")
        told = [record.class_counts for record in done if record.class_counts is not None]
        for name in dict.fromkeys(name for one in told for name in one):
            share = sum(one.get(name, 0) for one in told) / max(sum(sum(one.values()) for one in told), 1)
            numbers[f"class: {name}"] = f"{share:.1%}".replace("%", " %")
        if done:
            numbers["nuclei in an image (median)"] = f"{np.median([record.nuclei for record in done]):,.0f}"
    return Section("Outcome", numbers=numbers)


def _run(report: BatchReport) -> Section:
    """How it was made."""
    done = report.succeeded
    facts = {
        "model": ", ".join(sorted({record.model for record in done})),
        "device": ", ".join(sorted({record.device for record in done})),
        "settings": ", ".join(f"{name} {value}" for name, value in _changed_settings(report).items())
        or "all automatic",
        "results in": str(report.out),
        "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
        "started": report.started,
    }
    text = "Everything that is needed to repeat this run stands in run.json, and a row for every image in summary.csv."
    return Section("Run", text, {name: value for name, value in facts.items() if value})


def _changed_settings(report: BatchReport) -> dict[str, object]:
    settings, batch = report.template.settings, report.batch
    fields = type(settings).model_fields
    changed = {
        name: value
        for name, value in settings.model_dump().items()
        if value != fields[name].default and not name.endswith("_auto")
    }
    around = {name: f"{getattr(batch, name):g} {batch.distance_unit}" for name in ("cell", "ring", "gap")}
    changed |= {name: text for name, text in around.items() if getattr(batch, name)}
    return changed | {name: value for name in ("gate", "classes") if (value := getattr(batch, name))}


def _failures(failed: Sequence[FileRecord]) -> list[Section]:
    if not failed:
        return []
    text = f"{quantity(len(failed), 'image')} could not be segmented; the others are done."
    rows = [[record.title, _reason(record)] for record in failed]
    return [Section("Failed", text, table=Grid(["image", "reason"], rows))]


def _doubts(doubtful: Sequence[FileRecord]) -> list[Section]:
    """List the images whose results are worth a look, with what to try."""
    if not doubtful:
        return []
    text = (
        f"The nuclei of {quantity(len(doubtful), 'image')} may be wrong: look at them, and run them again as proposed."
    )
    rows = [[record.title, f"{record.nuclei:,}", record.warning] for record in doubtful]
    return [Section("Worth a look", text, table=Grid(["image", "nuclei", "what to try"], rows))]


def _reason(record: FileRecord) -> str:
    reason = without_path(record.error, record.image)
    return reason[:1].upper() + reason[1:]


def _remarks(report: BatchReport) -> list[Section]:
    remarks: dict[str, list[str]] = {}
    for record in report.succeeded:
        for notice in record.notices:
            remarks.setdefault(notice, []).append(record.short_title)
    rows = [[remark, "", ""] for remark in report.remarks]
    rows += [[notice, f"{len(names):,}", _some(names)] for notice, names in remarks.items()]
    if not rows:
        return []
    return [Section("What to know", table=Grid(["remark", "images", "which"], rows))]


def _some(names: Sequence[str]) -> str:
    """List names, of many the first."""
    rest = f" and {len(names) - NAMES_LISTED:,} more" if len(names) > NAMES_LISTED else ""
    return ", ".join(names[:NAMES_LISTED]) + rest


def _distributions(done: Sequence[FileRecord]) -> list[Section]:
    counts = np.array([record.nuclei for record in done])
    if not counts.sum():
        return []
    figures = [
        Figure(
            _histogram(counts, "nuclei in an image", "images"),
            f"Median {np.median(counts):.0f} in an image (the red line).",
        ),
        *_areas([record for record in done if record.nuclei]),
        Figure(_course(done), "Nuclei in every image, in the order of the run: outliers are worth a look."),
    ]
    return [Section("Counts and areas", figures=[figures])]


def _areas(done: Sequence[FileRecord]) -> list[Figure]:
    """Draw the areas of nuclei; none where all are volumes."""
    areas = read_areas(done)
    if areas.empty:
        return []
    known = bool(areas["area_um2"].notna().all())
    values = areas["area_um2" if known else "area_px"].to_numpy(float)
    unit = "µm²" if known else "px²"
    picture = _histogram(values[values <= np.percentile(values, 99.5)], f"area of a nucleus in {unit}", "nuclei")
    return [Figure(picture, f"Median {np.median(values):.0f} {unit}; the largest half percent is left out.")]


def _histogram(values: NDArray[Any], x_title: str, y_title: str) -> Markup:
    """Draw a distribution with its median."""
    canvas, axes = _axes(x_title, y_title)
    # The square root of their number, as is usual, within what can be told apart in a picture of this size.
    axes.hist(values, bins=min(40, max(5, round(len(values) ** 0.5))), color=BLUE, edgecolor="white", linewidth=0.4)
    axes.axvline(float(np.median(values)), color=RED, linewidth=1.2)
    return drawing(canvas)


def _course(done: Sequence[FileRecord]) -> Markup:
    canvas, axes = _axes("image", "nuclei")
    axes.plot(range(1, len(done) + 1), [record.nuclei for record in done], "o", color=BLUE, markersize=3)
    axes.set_ylim(0, None)
    return drawing(canvas)


def _axes(x_title: str, y_title: str) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(4.6, 3.0))
    axes = canvas.add_axes(PLOT)
    axes.set(xlabel=x_title, ylabel=y_title)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return canvas, axes


def _pictures(done: Sequence[FileRecord]) -> list[Section]:
    """Show the images with their outlines, doubtful ones first; of a long run some that are spread over it."""
    # Evenly over the run: the first sixty would be of one well of a plate. `unique`, as rounding may repeat one.
    places = np.unique(np.linspace(0, len(done) - 1, min(len(done), MOST_PICTURES)).round().astype(int))
    chosen = [done[place] for place in places]
    figures = [_figure(record) for record in sorted(chosen, key=lambda record: -record.urgency)]
    if not figures:
        return []
    some = f" {len(figures)} of {len(done)} are shown, spread over the run." * (len(figures) < len(done))
    text = f"With the outlines that were found; of a stack the middle plane.{some}"
    return [Section("Images", text, gallery=figures)]


def _figure(record: FileRecord) -> Figure:
    name = record.short_title
    try:
        content = stored_picture(Path(record.thumbnail).read_bytes(), f"{name} with outlines")
    except OSError:  # deleted while the run went on
        content = Markup("")
    found = (
        f"{record.classes:,} classes"
        if record.classes
        else record.counted or quantity(record.nuclei, "nucleus", "nuclei")
    )
    if record.positive_percent is not None:
        found += f", {record.positive_percent:.0f} % positive"
    if record.class_counts and record.nuclei:
        counts = record.class_counts
        shares = [f"{100 * n / max(sum(counts.values()), 1):.0f} % {name}" for name, n in counts.items()]
        found += f", {', '.join(shares)}"
    mark = "⚠ " if record.warnings else ""
    return Figure(content, f"{mark}{name} · {found}")


def plate_sections(wells: pd.DataFrame) -> list[Section]:
    """Draw the plates of a table of wells; none where the wells' places on the plate are unknown."""
    known = wells[wells["row"].ne("") & wells["column"].astype(str).str.isdecimal()] if len(wells) else wells
    return [_plate(str(name), plate) for name, plate in known.groupby("plate", sort=False)] if len(known) else []


def _plate(name: str, wells: pd.DataFrame) -> Section:
    means = [column for column in wells.columns if column.endswith(MEAN)]
    shown = {"nuclei": "nuclei per well", "positive_percent": "positive nuclei in %"}
    shown |= {column: f"{name} in % of the nuclei" for name, column in _class_columns(wells).items()}
    shown |= _size_column(wells) | {
        column: f"mean {column.removesuffix(MEAN)} of the nuclei" for column in means[:MOST_CHANNELS]
    }
    figures = [
        Figure(_plate_map(wells, column, title), f"{title[0].upper()}{title[1:]}{_value_range(wells[column])}")
        for column, title in shown.items()
        if column in wells and wells[column].notna().any()
    ]
    rows = [figures[start : start + FIGURES_IN_ROW] for start in range(0, len(figures), FIGURES_IN_ROW)]
    failed = int(wells["failed"].sum())
    text = f"{len(wells):,} wells with {int(wells['fields'].sum()):,} fields; grey wells were not imaged."
    text += f" {failed:,} fields failed and are left out." if failed else ""
    return Section(f"Plate {name}".strip(), f"{text} All values stand in wells.csv.", figures=rows)


def _class_columns(wells: pd.DataFrame) -> dict[str, str]:
    """The columns with the shares of classes of nuclei, by the names of these."""
    shares = re.compile(r"class_(.+)_percent")
    found = (shares.fullmatch(str(column)) for column in wells.columns)
    return {one[1]: one[0] for one in found if one is not None}


def _size_column(wells: pd.DataFrame) -> dict[str, str]:
    """The size that is known of the wells' nuclei, in µm or else in pixels."""
    titles = {
        "median_volume_um3": "median volume in µm³",
        "median_voxels": "median volume in voxels",
        "median_area_um2": "median area in µm²",
        "median_area_px": "median area in px²",
    }
    known = [name for name in titles if name in wells and wells[name].notna().any()]
    return {name: titles[name] for name in known[:1]}


def _value_range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f": {_short(low)} to {_short(high)}." if low < high else f": {_short(low)}."


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _plate_map(wells: pd.DataFrame, column: str, title: str) -> Markup:
    """Draw the wells of a plate as it lies before the microscope, A1 top left."""
    places = [(row_number(row) - 1, int(place) - 1) for row, place in zip(wells["row"], wells["column"], strict=True)]
    height, width = _plate_format(max(row for row, _ in places) + 1, max(place for _, place in places) + 1)
    values = np.full((height, width), np.nan)
    for place, value in zip(places, wells[column], strict=True):
        values[place] = value
    canvas = Canvas(figsize=(5.6, 3.9))
    axes = canvas.add_axes((0.07, 0.04, 0.78, 0.84))
    axes.set_facecolor(EMPTY_WELL)
    # White lines between the wells; nothing is drawn where there is no value.
    drawn = axes.pcolormesh(np.ma.masked_invalid(values), cmap="viridis", edgecolors="white", linewidth=0.6)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    every = math.ceil(width / 24)
    axes.set_xticks(np.arange(0, width, every) + 0.5, [str(number + 1) for number in range(0, width, every)])
    every = math.ceil(height / 16)
    axes.set_yticks(np.arange(0, height, every) + 0.5, [row_letters(number + 1) for number in range(0, height, every)])
    axes.tick_params(length=0, labelsize=7)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    if height * width <= MOST_NUMBERED:
        _write_values(axes, values, drawn)
    bar = canvas.colorbar(drawn, cax=canvas.add_axes((0.88, 0.12, 0.025, 0.68)))
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    axes.set_title(title, fontsize=9)
    return drawing(canvas)


def _write_values(axes: Axes, values: NDArray[np.float64], drawn: QuadMesh) -> None:
    """Write numbers into the wells, dark on bright ones."""
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        colour = "black" if np.asarray(drawn.norm(value)) > BRIGHT else "white"
        axes.text(column + 0.5, row + 0.5, _short(value), ha="center", va="center", fontsize=6, color=colour)


def _plate_format(rows: int, columns: int) -> tuple[int, int]:
    """The smallest plate that has these rows and columns."""
    fitting = [plate for plate in PLATE_FORMATS if rows <= plate[0] and columns <= plate[1]]
    return fitting[0] if fitting else (rows, columns)
