"""The subcommand ``demo``: segment a bundled sample, in a window if there is a screen."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_nuclei.cli.options import Quiet
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.quantity import quantity

FOLDER = Path("nuclei-demo")
STEM = "fluorescent_nuclei"


def demo_command(
    no_window: Annotated[bool, typer.Option("--no-window", help="Write files even if there is a screen.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write files into this folder.", show_default=str(FOLDER)),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Segment the bundled sample with the bundled model; opens napari if there is a screen.

    Without a window, writes labels (TIFF), a table (CSV) and an overlay (PNG).
    """
    reason = "as you asked" if no_window else window_problem()
    if out is None and not reason:
        reason = open_window()
        if not reason:
            return
    if not quiet and not no_window and reason:
        typer.echo(f"No window: {reason}. Writing files instead.", err=True)
    write_demo(out or FOLDER, quiet)
    # Files first: closing the window may take the user as long as they like.
    if out is not None and not reason:
        open_window()


def window_problem() -> str:
    """Return why no window can be shown, or an empty string."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no screen"
    if importlib.util.find_spec("napari") is None:
        return 'napari is not installed (pip install "napari-unet-nuclei[all]")'
    return ""


def open_window() -> str:
    """Run the demo in napari, in a process of its own, until it is closed; return what went wrong, if anything."""
    # Qt aborts the whole process if it cannot open a window; the demo then still writes its files.
    window = subprocess.run([sys.executable, "-m", "napari_unet_nuclei.gui.demo"], check=False)
    return "" if window.returncode == 0 else "napari could not be opened"


def write_demo(folder: Path, quiet: bool) -> None:
    """Segment the sample, write labels, table and overlay, and print the result."""
    from napari_unet_nuclei.core.folder.one_image import find_nuclei
    from napari_unet_nuclei.core.folder.outputs import write_outputs
    from napari_unet_nuclei.core.folder.plan import PlannedFile
    from napari_unet_nuclei.core.image.io.image_file import ImageFile
    from napari_unet_nuclei.core.image.io.write import write_overlay
    from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei
    from napari_unet_nuclei.core.segment.template import RequestTemplate
    from napari_unet_nuclei.core.settings import BatchSettings

    sample = fluorescent_nuclei()
    file = ImageFile(Path(sample.name), sample.image, sample.axes, sample.pixel_size)
    planned = PlannedFile(file.path, folder, STEM)
    with TerminalProgress(quiet) as progress:
        found = find_nuclei(file, RequestTemplate(), BatchSettings(), progress)
        result, overlay = found.result, folder / f"{STEM}_overlay.png"
        write_outputs(found, {"labels": planned.labels, "table": planned.table})
        write_overlay(overlay, sample.image, result.labels)
    typer.echo(f"{quantity(result.count, 'nucleus', 'nuclei')} found ({int(sample.labels.max())} were drawn)")
    typer.echo(f"{result.seconds:.1f} s on {result.device}")
    for path in (planned.labels, planned.table, overlay):
        typer.echo(str(path))
