"""The result of a run in the dock: what it is, how it is shown, and what can be done with it."""

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
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.saving.dialog import open_save_dialog
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.session import Run, SegmentSession
from napari_unet_nuclei.gui.segment.stored_labels import StoredLabels
from napari_unet_nuclei.gui.segment.table_path import table_path
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.display import DisplaySwitch
from napari_unet_nuclei.gui.viewer.dock import BATCH, CORRECT, FOLLOW, MEASURE, open_dock
from napari_unet_nuclei.gui.viewer.pairing import image_of
from napari_unet_nuclei.gui.viewer.source_file import SourceFile
from napari_unet_nuclei.gui.widgets.forms import SPACING, fill
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari

CLASSES_SHOWN = 6
"""Maximum number of classes listed; the table has all."""

LARGE = 1.5
"""Size of the number of nuclei, in multiples of other text."""

Asked = Callable[[], tuple[Run, SegmentRequest]]

OUTPUT_FOLDER = "nuclei"
"""Output folder in a copied command."""


class ResultPanel(QWidget):
    """Display, facts, `ThresholdPanel`, and buttons to copy the call."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.display = DisplaySwitch()
        self.detail_label = Sentence()
        self.thresholds = ThresholdPanel()
        self.command_button = QPushButton("Copy as command")
        self.python_button = QPushButton("Copy as Python")
        buttons = fill(QHBoxLayout(), self.command_button, self.python_button)
        fill(QVBoxLayout(self), self.display, self.thresholds, self.detail_label, buttons)

    def show_result(self, live: LiveLabels | StoredLabels) -> None:
        """Show the layer, typical size or classes, and where the table is."""
        result, classes = live.result, live.classes
        found = _class_shares(live) if classes else _typical_size(result.diameter, live.request.pixel_size)
        self.detail_label.setText(f"in '{live.layer.name}'\n{found}\n{live.table_state}")
        self.display.setVisible(not classes)

    def set_call_problem(self, problem: str) -> None:
        """Disable copying the call and show why; an empty text enables it."""
        tooltips = {
            self.command_button: "Copy the command that reproduces these labels in a terminal.",
            self.python_button: "Copy the Python code that reproduces these labels.",
        }
        for button, tooltip in tooltips.items():
            button.setEnabled(not problem)
            button.setToolTip(problem or tooltip)


def _class_shares(live: LiveLabels | StoredLabels) -> str:
    """Return the classes with the largest shares, one per line."""
    if live.table is None:
        return ", ".join(live.classes[:CLASSES_SHOWN])
    shares = live.table.groupby("class", sort=False)["share"].mean().sort_values(ascending=False)
    return "\n".join(f"{name} {share:.1%}" for name, share in shares.head(CLASSES_SHOWN).items())


def _typical_size(diameter: float, pixel_size: PixelSize) -> str:
    """Return a diameter in pixels, and in µm if the pixel size is known."""
    if not pixel_size.known:
        return f"typical diameter {diameter:.1f} px"
    return f"typical diameter {diameter:.1f} px, {diameter * (pixel_size.y * pixel_size.x) ** 0.5:.1f} µm"


class ResultFoot(QWidget):
    """The count, what a slider has changed, and buttons to correct, measure, save, and do the same to a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.count_label, self.change_label, self.busy_label = QLabel(), QLabel(), QLabel("working…")
        self._enlarge_count()
        self.change_label.setToolTip("Nuclei that the last change of a slider added and took away.")
        self.busy_label.setToolTip("The sliders are being applied.")
        self.correct_button = QPushButton("Correct…")
        self.correct_button.setToolTip("Go through doubtful nuclei, and places where one may be missed, one by one.")
        self.table_button = QPushButton("Table and plot…")
        self.table_button.setToolTip("Measure the nuclei, in the dock Measure nuclei.")
        self.follow_button = QPushButton("Follow over time…")
        self.follow_button.setToolTip("Give every nucleus one id over time, in the dock Follow over time.")
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Write labels, table, ImageJ ROIs, QuPath GeoJSON or a picture.")
        self.folder_button = QPushButton("Do this to a folder…")
        self.folder_button.setToolTip("Segment many files with the same settings, in the dock Batch segment folder.")
        self.card = Sentence(selectable=True)
        self.card.setToolTip("The nucleus that was clicked on the picture.")
        self._has_result = False
        self._is_busy = False
        self._lay_out()
        self.show_result(None)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """Ways on from the result."""
        return self.correct_button, self.table_button, self.save_button, self.folder_button, self.follow_button

    def _enlarge_count(self) -> None:
        """Make the count larger than other text, whose size the user may have changed in napari's settings."""
        self.change_label.ensurePolished()
        usual = self.change_label.font().pointSizeF()
        # By a style sheet, as napari's own fixes the font.
        self.count_label.setStyleSheet(f"font-size: {usual * LARGE:.0f}pt" if usual > 0 else "")

    def _lay_out(self) -> None:
        line = fill(QHBoxLayout(), self.count_label, self.change_label, self.busy_label)
        line.setStretch(2, 1)
        grid = QGridLayout()
        grid.setSpacing(SPACING)
        for number, button in enumerate(self.buttons):
            grid.addWidget(button, number // 2, number % 2)
        fill(QVBoxLayout(self), self.card, line, grid)
        self.show_card("")

    def show_card(self, text: str) -> None:
        """Say what is known of the nucleus that was clicked; an empty text says nothing."""
        self.card.setText(text)
        self.card.setVisible(bool(text))

    def show_result(self, shown: LiveLabels | StoredLabels | None) -> None:
        """Show the number of nuclei or classes; without a result, hide."""
        self._has_result = shown is not None
        self.setVisible(shown is not None)
        if shown is None:
            return
        self._enlarge_count()
        classes = shown.classes
        live = isinstance(shown, LiveLabels)
        in_view = shown.in_view if isinstance(shown, LiveLabels) else ""
        self.count_label.setText(in_view or (f"{len(classes)} classes" if classes else shown.result.count_text))
        self.busy_label.setText("the rest follows…" if in_view else "working…")
        doubtful = shown.doubtful if isinstance(shown, LiveLabels) else None
        self.correct_button.setText("Correct…" if not doubtful else f"Correct {doubtful:,} doubtful…")
        self.change_label.setText(shown.change_text if isinstance(shown, LiveLabels) else "")
        self.busy_label.setVisible(isinstance(shown, LiveLabels) and (shown.is_decoding or bool(in_view)))
        self.save_button.setVisible(live)
        for button in (self.correct_button, self.folder_button):
            button.setVisible(not classes)
        # Labels in a store are mostly too large for the window, and the command follows them.
        self.follow_button.setVisible(isinstance(shown, LiveLabels) and not classes and _is_movie(shown))
        self._refresh()

    def set_busy(self, busy: bool) -> None:
        """Disable all ways on during a run."""
        self._is_busy = busy
        self._refresh()

    def _refresh(self) -> None:
        for button in self.buttons:
            button.setEnabled(self._has_result and not self._is_busy)


def _is_movie(live: LiveLabels) -> bool:
    """Tell whether several times, or planes along an axis that may be time, were segmented."""
    lengths = zip(live.result.axes, live.result.labels.shape, strict=True)
    return any(letter in "TQ" and length > 1 for letter, length in lengths)


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
