"""Write the HTML report of a run: what failed or is doubtful first, then counts, areas and all images."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from napari_unet_nuclei.core.folder.record import FileRecord, without_path
from napari_unet_nuclei.core.folder.report_plates import plate_sections
from napari_unet_nuclei.core.folder.summary import BatchReport, read_areas
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
