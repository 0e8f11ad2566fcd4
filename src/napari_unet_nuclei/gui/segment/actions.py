"""What can be done with a result: copy the call that repeats it, save it, and take it to the other docks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.saving.dialog import open_save_dialog
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.reproduce import command_line, python_call, stored_python_call
from napari_unet_nuclei.gui.segment.session import Run, SegmentSession
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.dock import BATCH, CORRECT, FOLLOW, MEASURE, open_dock
from napari_unet_nuclei.gui.viewer.pairing import image_of

if TYPE_CHECKING:
    import napari

Asked = Callable[[], tuple[Run, SegmentRequest]]


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
