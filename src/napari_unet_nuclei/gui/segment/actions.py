"""What can be done with a result: copy the call that repeats it, save it, and take it to the other docks."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.saving.dialog import open_save_dialog
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.session import Run, SegmentSession
from napari_unet_nuclei.gui.segment.table_path import table_path
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.dock import BATCH, CORRECT, FOLLOW, MEASURE, open_dock
from napari_unet_nuclei.gui.viewer.pairing import image_of
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

if TYPE_CHECKING:
    import napari

Asked = Callable[[], tuple[Run, SegmentRequest]]

OUTPUT_FOLDER = "nuclei"
"""Output folder in a copied command."""


class Actions(QObject):
    """Act on the result of a dock.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : QWidget
        Parent, also of dialogs.
    session : SegmentSession
    thresholds : ThresholdPanel
    panel : JobPanel
        Runs jobs, and says what happened.
    asked : callable
        Returns what the next run would be; raises `NucleiError`.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        dock: QWidget,
        session: SegmentSession,
        thresholds: ThresholdPanel,
        panel: JobPanel,
    ) -> None:
        super().__init__(dock)
        self._viewer = viewer
        self._dock = dock
        self._session = session
        self._thresholds = thresholds
        self._panel = panel

    def follow(self, session: SegmentSession) -> None:
        """Act on the result of another session from now on."""
        self._session = session

    def copy_command(self, asked: Asked) -> None:
        """Copy the command that reproduces the labels shown; before the first run, the one that Run would make."""
        self._copy(asked, _command)

    def copy_python(self, asked: Asked) -> None:
        """Copy the Python code that reproduces the labels shown, likewise."""
        self._copy(asked, _python)

    def correct(self) -> None:
        """Open the dock *Correct nuclei* on the labels."""
        self._take_to(CORRECT)

    def measure(self) -> None:
        """Open the dock *Measure nuclei* on the labels."""
        self._take_to(MEASURE)

    def follow_over_time(self) -> None:
        """Open the dock *Follow over time* on the labels."""
        self._take_to(FOLLOW)

    def do_to_folder(self) -> None:
        """Open the dock *Batch segment folder* with the settings and the model of the labels."""
        live = self._session.live
        if live is not None:
            settings = self._thresholds.changed_settings(live.request.settings)
            open_dock(self._viewer, BATCH).take_settings(settings, live.request.model)

    def save(self) -> None:
        """Open the dialog that writes labels, table, outlines and picture."""
        shown = self._session.shown
        if isinstance(shown, LiveLabels):
            image = image_of(self._viewer, shown.layer)
            open_save_dialog(self._dock, self._viewer, shown.layer, () if image is None else (image,))

    def _take_to(self, dock: str) -> None:
        shown = self._session.shown
        if shown is not None:
            open_dock(self._viewer, dock).take_labels(shown.layer)

    def _copy(self, asked: Asked, written: Callable[[Run, SegmentRequest], str]) -> None:
        live, run = self._session.live, self._session.run
        try:
            if live is None or run is None:
                run, request = asked()
            else:
                request = replace(live.request, settings=self._thresholds.changed_settings(live.request.settings))
        except NucleiError as error:
            self._panel.show_error(error)
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None, "a window has one"
        clipboard.setText(written(run, request))
        self._panel.show_status("Copied to the clipboard.")


def _command(run: Run, request: SegmentRequest) -> str:
    """Return the command that repeats a run."""
    return command_line(request, run.file)


def _python(run: Run, request: SegmentRequest) -> str:
    """Return the Python code that repeats a run."""
    if run.order is None:
        return python_call(request, run.file)
    return stored_python_call(request, run.file, run.order.path.absolute())


def command_line(request: SegmentRequest, file: SourceFile) -> str:
    """Return the command that segments the same pixels in the same way.

    Parameters
    ----------
    request : SegmentRequest
        For the whole image in ``file``.
    file : SourceFile
        The file that the image was read from.
    """
    words = ["napari-unet-nuclei", "segment", file.path, "--out", OUTPUT_FOLDER]
    if request.model != AUTOMATIC:
        words += ["--model", request.model]
    if request.given_axes != file.axes:
        words += ["--axes", request.given_axes]
    if request.plane:
        pairs = zip(request.source.leading_axes, request.plane, strict=True)
        words += ["--plane", ",".join(f"{letter}={index}" for letter, index in pairs if index is not None)]
    if request.region:
        y0, y1, x0, x1 = request.region
        words += ["--region", f"{y0}:{y1},{x0}:{x1}"]
    for name, value in given_settings(request, file).items():
        option = name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def python_call(request: SegmentRequest, file: SourceFile) -> str:
    """Return the Python code that segments the same pixels in the same way; arguments as for `command_line`."""
    return _as_python("segment", request, file, {})


def stored_python_call(request: SegmentRequest, file: SourceFile, store: Path) -> str:
    """Return the Python code that writes the same labels to a store, block by block."""
    return _as_python("segment_slide", request, file, {"out": str(store), "table": str(table_path(store))})


def _as_python(verb: str, request: SegmentRequest, file: SourceFile, outputs: dict[str, str]) -> str:
    """Return a call of a public function, which reads everything else from the file."""
    arguments: dict[str, object] = {**outputs, "model": request.model}
    arguments |= {"axes": request.given_axes} if request.given_axes != file.axes else {}
    arguments |= {"plane": request.plane} if request.plane else {}
    arguments |= {"region": request.region} if request.region else {}
    arguments |= given_settings(request, file)
    listed = "".join(f", {name}={value!r}" for name, value in arguments.items())
    return f"from napari_unet_nuclei import {verb}\n\nresult = {verb}({file.path!r}{listed})\n"


def given_settings(request: SegmentRequest, file: SourceFile) -> dict[str, Any]:
    """Return the settings that differ from the defaults, by name, without the automatic ones.

    A diameter in µm is converted to pixels if the layer's pixel size differs from the file's.
    """
    settings = request.settings
    if not settings.diameter_auto and settings.diameter_unit == "µm" and request.pixel_size != file.pixel_size:
        per_pixel = float(np.sqrt(request.pixel_size.y * request.pixel_size.x))
        settings = settings.changed(diameter=settings.diameter / per_pixel, diameter_unit="px")
    return {name: value for name, value in settings.model_dump().items() if _is_given(settings, name)}


def _is_given(settings: SegmentSettings, name: str) -> bool:
    """Return whether a setting must be given: one with a switch if that is off, any other if it was changed."""
    fields = SegmentSettings.model_fields
    if name.endswith("_auto"):
        return False
    if f"{name}_auto" in fields:
        return not getattr(settings, f"{name}_auto")
    if name == "diameter_unit" and settings.diameter_auto:
        return False
    return bool(getattr(settings, name) != fields[name].default)
