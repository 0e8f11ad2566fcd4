"""The report of a run that a person opens: what failed first, then counts, areas and every image with its outlines."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from napari_unet_nuclei.core.batch.record import FileRecord
from napari_unet_nuclei.core.batch.summary import BatchReport, read_areas
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import drawing, stored_picture

MOST_PICTURES = 60
"""Images that are shown, so that the page of a long run stays light."""

PICTURES_A_ROW = 4
PLOT = (0.14, 0.16, 0.82, 0.8)
"""Where axes lie in a drawing; to find that out takes matplotlib longer than to draw them."""

LARGEST_TABLE = 200
"""Rows; the summary has them all."""


def write_batch_report(path: Path, report: BatchReport) -> None:
    """Write the report of a run.

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    sections = [_outcome(report), *_failures(report.failed), *_remarks(report.succeeded)]
    sections += [*_distributions(report.succeeded), *_pictures(report.succeeded)]
    write_page(path, "Segmented nuclei", sections)


def _outcome(report: BatchReport) -> Section:
    records, done = report.records, report.succeeded
    skipped = sum(record.skipped for record in done)
    facts = {
        "images": f"{len(done)} of {len(records)} segmented"
        + (f", {skipped} of them by an earlier run" * bool(skipped)),
        "failed": str(len(report.failed)),
        "nuclei": f"{sum(record.nuclei for record in done):,}",
        "model": ", ".join(sorted({record.model for record in done})),
        "device": ", ".join(sorted({record.device for record in done})),
        "settings": ", ".join(f"{name} {value}" for name, value in _changed_settings(report).items())
        or "all automatic",
        "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
        "started": report.started,
    }
    text = "Everything that is needed to repeat this run stands in run.json, and a row for every image in summary.csv."
    return Section("Run", text, {name: value for name, value in facts.items() if value})


def _changed_settings(report: BatchReport) -> dict[str, object]:
    settings = report.template.settings
    fields = type(settings).model_fields
    return {
        name: value
        for name, value in settings.model_dump().items()
        if value != fields[name].default and not name.endswith("_auto")
    }


def _failures(failed: Sequence[FileRecord]) -> list[Section]:
    if not failed:
        return []
    text = f"{len(failed)} images could not be segmented."
    rows = [[record.image, record.error] for record in failed]
    return [Section("Failed", text, table=Grid(["image", "reason"], rows))]


def _remarks(done: Sequence[FileRecord]) -> list[Section]:
    rows = [[record.image, record.message] for record in done if record.message]
    if not rows:
        return []
    text = f"{len(rows)} images." + (f" The first {LARGEST_TABLE} are listed." * (len(rows) > LARGEST_TABLE))
    return [Section("What to know", text, table=Grid(["image", "remark"], rows[:LARGEST_TABLE]))]


def _distributions(done: Sequence[FileRecord]) -> list[Section]:
    counts = np.array([record.nuclei for record in done])
    if not counts.sum():
        return []
    areas = read_areas([record for record in done if record.nuclei])
    known = bool(areas["area_um2"].notna().all())
    values = areas["area_um2" if known else "area_px"].to_numpy(float)
    unit = "µm²" if known else "px²"
    figures = [
        Figure(_histogram(counts, "nuclei in an image", "images"), f"Median {np.median(counts):.0f} in an image."),
        Figure(
            _histogram(values[values <= np.percentile(values, 99.5)], f"area of a nucleus in {unit}", "nuclei"),
            f"Median {np.median(values):.0f} {unit}; the largest half percent is left out.",
        ),
        Figure(_course(done), "Nuclei in every image, in the order of the run: outliers are worth a look."),
    ]
    return [Section("Counts and areas", figures=[figures])]


def _histogram(values: NDArray[np.generic], x_title: str, y_title: str) -> Markup:
    canvas = Canvas(figsize=(5.6, 3.4))
    axes = canvas.add_axes(PLOT)
    axes.hist(values, bins=min(40, max(5, round(len(values) ** 0.5))), color="#4878a8")
    axes.set(xlabel=x_title, ylabel=y_title)
    return drawing(canvas)


def _course(done: Sequence[FileRecord]) -> Markup:
    canvas = Canvas(figsize=(5.6, 3.4))
    axes = canvas.add_axes(PLOT)
    axes.plot(range(1, len(done) + 1), [record.nuclei for record in done], ".", color="#4878a8", markersize=4)
    axes.set(xlabel="image", ylabel="nuclei", ylim=(0, None))
    axes.grid(alpha=0.3)
    return drawing(canvas)


def _pictures(done: Sequence[FileRecord]) -> list[Section]:
    """Show the images with their outlines; of a long run some that are spread over it."""
    places = np.unique(np.linspace(0, len(done) - 1, min(len(done), MOST_PICTURES)).round().astype(int))
    figures = [_figure(done[place]) for place in places]
    if not figures:
        return []
    some = f" {len(figures)} of {len(done)} are shown, spread over the run." * (len(figures) < len(done))
    rows = [figures[start : start + PICTURES_A_ROW] for start in range(0, len(figures), PICTURES_A_ROW)]
    return [Section("Images", f"With the outlines that were found; of a stack the middle plane.{some}", figures=rows)]


def _figure(record: FileRecord) -> Figure:
    name = Path(record.image).name
    content = Path(record.thumbnail).read_bytes()
    return Figure(stored_picture(content, f"{name} with outlines"), f"{name} · {record.nuclei:,} nuclei")
