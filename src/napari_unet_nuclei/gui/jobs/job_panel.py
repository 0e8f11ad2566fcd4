"""Run, Finish and Stop with a progress bar, the time left and a status line, the same in every dock."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from napari.utils import cancelable_progress
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.progress import Advanced, Event, Notice, Progress
from napari_unet_nuclei.core.segment.remedy import in_words
from napari_unet_nuclei.gui.jobs.worker import Job, JobWorker, job_worker
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence, Sentences

if TYPE_CHECKING:
    from typing import Any

    from napari_unet_nuclei.gui.jobs.worker import JobWorker

T = TypeVar("T")

BAR_STEPS = 1000
"""Of the bar in the panel."""

MOST_NOTICED = 5
"""Lines of notices that are seen at once; the others are scrolled to."""

SHORTEST_LOOK = 0.5
"""Seconds of observation before a forecast is made."""

PERCENT = 100
"""Steps of the bar in napari's activity area."""


class JobPanel(QWidget):
    """The bottom of a dock: runs one job at a time and shows its progress.

    Parameters
    ----------
    run_text, run_tooltip : str
        Of the Run button.
    can_finish : bool
        Show a Finish button, which ends the job early and keeps the best so far.
    """

    run_clicked = Signal()
    """The user pressed Run; respond by calling `run_job`."""

    reported = Signal(object)
    """Every event of the running job."""

    running_changed = Signal(bool)

    def __init__(
        self, run_text: str = "Run", run_tooltip: str = "", *, can_finish: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._worker: JobWorker[Any] | None = None
        self._title = ""
        self._activity: Activity | None = None
        self._problem = ""
        self._status = ""
        self._cancelled = ""
        self._notices: list[str] = []
        self._time_left = TimeLeft(time.monotonic)
        self.run_button = QPushButton(run_text)
        self.run_button.setToolTip(run_tooltip)
        self.run_button.setStyleSheet("font-weight: bold; min-height: 24px")
        self.finish_button = QPushButton("Finish")
        self.finish_button.setToolTip("End early and keep the best so far.")
        self.finish_button.setVisible(can_finish)
        self.cancel_button = QPushButton("Stop")
        self.cancel_button.setToolTip("Stop, and discard what this run has done so far.")
        self.progress_bar = QProgressBar()
        self.progress_bar.setRange(0, BAR_STEPS)
        self.progress_bar.setTextVisible(False)
        self.status_label, self.notice_label = Sentence(selectable=True), Sentences(MOST_NOTICED)
        self._lay_out()
        self.run_button.clicked.connect(self.run_clicked)
        self.finish_button.clicked.connect(self._finish)
        self.cancel_button.clicked.connect(self.cancel)
        self._refresh()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, stretch=2)
        buttons.addWidget(self.finish_button)
        buttons.addWidget(self.cancel_button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # Above the buttons, which are the last in their dock: so sentences that come and go never move them. The
        # stretch keeps them at the bottom until the dock has given the room of a former sentence back.
        layout.addStretch(1)
        for widget in (self.notice_label, self.status_label, self.progress_bar):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self._column = layout

    def put_above_buttons(self, widget: QWidget) -> None:
        """Put a widget between the messages and the buttons: like these, it is not moved by messages."""
        self._column.insertWidget(self._column.count() - 1, widget)
        last = [widget, *widget.findChildren(QWidget)][-1]
        order = last, self.run_button, self.finish_button, self.cancel_button
        for before, after in itertools.pairwise(order):
            QWidget.setTabOrder(before, after)

    @property
    def is_running(self) -> bool:
        """True while a job runs."""
        return self._worker is not None

    def run_job(
        self,
        job: Callable[[Progress], T],
        on_result: Callable[[T], None],
        *,
        title: str,
        cancelled: str = "Stopped: nothing was changed.",
    ) -> None:
        """Run a job in a thread; do nothing while another job of this panel runs.

        Parameters
        ----------
        job : callable
            Takes a `Progress`; touches no viewer, no widget, and no layer that is in the viewer.
        on_result : callable
            Called in the window's thread with the job's result, unless it was cancelled or failed. A method of a widget
            is forgotten when the widget is deleted; a function is called even if the dock was closed.
        title : str
            Named when napari asks before closing, e.g. "Segmenting DAPI".
        cancelled : str
            Status after the user has cancelled it.
        """
        if self.is_running:
            return
        worker = job_worker(Job(title, job))
        self._worker, self._title = worker, title
        self._cancelled = cancelled
        self._time_left = TimeLeft(time.monotonic)
        self._notices = []
        self.show_status("Starting…")
        worker.reported.connect(self._show_event)
        worker.succeeded.connect(self._show_done)
        worker.succeeded.connect(on_result)
        worker.aborted.connect(self._show_cancelled)
        worker.failed.connect(self.show_error)
        worker.warned.connect(_log_warning)
        worker.finished.connect(self._end)
        self._refresh()
        self.running_changed.emit(True)
        worker.start()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Show a running job in napari's activity area while its dock is closed."""
        super().hideEvent(event)
        # Neither where the window is minimised nor where it closes, and napari's activity area with it.
        if event is not None and event.spontaneous():
            return
        if self._worker is not None and self._activity is None and _window_is_seen(self):
            self._activity = Activity(self._worker, self._title, self.progress_bar.value() / BAR_STEPS)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show a running job here again."""
        super().showEvent(event)
        self._close_activity()

    def _close_activity(self) -> None:
        activity, self._activity = self._activity, None
        if activity is not None:
            activity.close()

    def cancel(self) -> None:
        """Ask the running job to stop; it does so within one step."""
        if self._worker is None or self._worker.abort_requested:
            return
        self._worker.stop()
        self.show_status("Stopping…")

    def set_problem(self, problem: str) -> None:
        """Disable Run and show why; an empty text enables it."""
        self._problem = problem
        self._refresh()

    def show_status(self, text: str) -> None:
        """Show a status."""
        self._status = text
        self._refresh()

    def show_error(self, error: Exception) -> None:
        """Show an error in the status line; anything but a `NucleiError` is a bug, which napari reports as well."""
        if isinstance(error, NucleiError):
            self.show_status(f"⚠ {error}")
            return
        self.show_status(f"⚠ This is a bug in the plugin: {type(error).__name__}: {error}")
        notification_manager.receive_error(type(error), error, error.__traceback__)

    def drop_notices(self, notices: Collection[str]) -> None:
        """Remove notices that are shown elsewhere."""
        self._notices = [notice for notice in self._notices if notice not in notices]
        self._refresh()

    def _refresh(self) -> None:
        """Update all controls."""
        running = self.is_running
        blocked = bool(self._problem) and not running
        self.run_button.setEnabled(not running and not blocked)
        self.finish_button.setEnabled(running and not (self._worker and self._worker.finish_requested))
        self.cancel_button.setEnabled(running and not (self._worker and self._worker.abort_requested))
        self.progress_bar.setVisible(running)
        self.status_label.setText(in_words(f"⚠ {self._problem}" if blocked else self._status))
        self.status_label.setVisible(bool(self.status_label.text()))
        self.notice_label.setText("\n".join(f"• {in_words(notice)}" for notice in self._notices))

    def _show_event(self, event: Event) -> None:
        """Show one event; those still in the queue when the user cancelled are ignored."""
        if self._worker is None or self._worker.abort_requested:
            return
        if isinstance(event, Advanced):
            self._time_left.advance(event.fraction)
            self.progress_bar.setValue(round(BAR_STEPS * event.fraction))
            left = self._time_left.text()
            self.show_status(f"{event.message} · {left}" if left else event.message)
        elif isinstance(event, Notice):
            self._notices.append(event.message)
            self._refresh()
        self.reported.emit(event)

    def _finish(self) -> None:
        if self._worker is not None:
            self._worker.finish()
            self.show_status("Finishing…")

    def _show_done(self, _result: object) -> None:
        self.show_status("Done.")

    def _show_cancelled(self) -> None:
        self.show_status(self._cancelled)

    def _end(self) -> None:
        """Reset the controls; a cancel that came too late for the job to notice still counts as one."""
        late_cancel = self._worker is not None and self._worker.abort_requested
        self._worker = None
        self._close_activity()
        self.progress_bar.setValue(0)
        self._refresh()
        if late_cancel:
            self._show_cancelled()
        self.running_changed.emit(False)


def _window_is_seen(widget: QWidget) -> bool:
    """Return whether the window is open that a widget belongs to, which a floating dock has as its parent."""
    window = widget.window()
    while window is not None and (parent := window.parentWidget()) is not None:
        window = parent.window()
    return window is not None and window.isVisible()


class TimeLeft:
    """Forecast from the steps after the first one, which includes loading and preparing.

    Parameters
    ----------
    clock : callable
        Seconds from any origin.

    Examples
    --------
    >>> seconds = iter([0.0, 10.0, 12.0])
    >>> left = TimeLeft(lambda: next(seconds))
    >>> for fraction in (0.0, 0.1, 0.2):
    ...     left.advance(fraction)
    >>> left.text()
    'about 16 s left'
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def advance(self, fraction: float) -> None:
        """Record that a fraction of the job is done now."""
        self._last = (self._clock(), fraction)
        if fraction > 0 and self._first is None:
            self._first = self._last

    def text(self) -> str:
        """Return the time left as text; empty while it is too early to tell."""
        if self._first is None:
            return ""
        watched = self._last[0] - self._first[0]
        done = self._last[1] - self._first[1]
        if watched < SHORTEST_LOOK or done <= 0:
            return ""
        return f"about {duration((1 - self._last[1]) * watched / done)} left"


def duration(seconds: float) -> str:
    """Return a duration as text.

    Examples
    --------
    >>> duration(0.3), duration(42), duration(100), duration(9000)
    ('1 s', '42 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _log_warning(warning: tuple[Any, ...]) -> None:
    """Log a Python warning of a job: it is meant for developers, not for users."""
    logging.getLogger(__name__).info("%s", warning[0])


class Activity(QObject):
    """A bar of one job; it belongs to the job, so that it outlives the dock, and ends with it.

    Parameters
    ----------
    worker : JobWorker
    title : str
    fraction : float
        How much is done.
    """

    def __init__(self, worker: JobWorker[Any], title: str, fraction: float) -> None:
        super().__init__(worker.signals)
        self._bar: _Bar | None = _Bar(worker, title)
        worker.reported.connect(self._follow)
        worker.finished.connect(self.close)
        self._show(fraction)
        if worker.is_over:
            self.close()

    def close(self) -> None:
        """Take the bar out of the activity area."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
            self.deleteLater()

    def _follow(self, event: Event) -> None:
        if isinstance(event, Advanced):
            self._show(event.fraction)

    def _show(self, fraction: float) -> None:
        # napari lets the window live whenever a bar moves: later events may arrive, and the job end, in `update`.
        bar = self._bar
        if bar is not None and not bar.disable and bar.n < int(PERCENT * fraction):
            bar.update(int(PERCENT * fraction) - bar.n)


class _Bar(cancelable_progress):
    """A bar whose *Cancel* stops the job; napari itself only marks what it iterates over."""

    def __init__(self, worker: JobWorker[Any], title: str) -> None:
        self._worker = worker
        super().__init__(desc=title, total=PERCENT, bar_format="|{percentage:.0f} %")

    def cancel(self) -> None:
        """Stop the job."""
        super().cancel()
        self._worker.stop()
