from __future__ import annotations

import gc
import threading
import weakref
from functools import partial

import numpy as np
import pytest
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from napari.utils.progress import progress
from qtpy.QtCore import QThread, QThreadPool
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel, TimeLeft


@pytest.fixture
def panel(qtbot) -> JobPanel:
    panel = JobPanel("Run", can_finish=True)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def until_finish(progress: Progress) -> str:
    """A job that goes on until it is told to stop, in small steps."""
    progress.report(Notice("the tile was halved"))
    while not progress.finish_requested:
        progress.report(Advanced(0.25, "tile 1 of 4"))
        threading.Event().wait(0.01)
    return "kept"


def test_the_result_arrives_in_the_windows_thread(qtbot, panel) -> None:
    threads = []
    panel.run_job(lambda progress: QThread.currentThread(), threads.append, title="Looking")
    with qtbot.waitSignal(panel.running_changed):
        pass
    assert threads[0] is not QApplication.instance().thread()
    assert panel.run_button.isEnabled()
    assert not panel.cancel_button.isEnabled()


def test_cancel_gives_no_result(qtbot, panel) -> None:
    results = []
    panel.run_job(until_finish, results.append, title="Waiting")
    assert not panel.run_button.isEnabled()
    qtbot.waitUntil(lambda: panel.progress_bar.value() == 250)
    with qtbot.waitSignal(panel.running_changed):
        panel.cancel_button.click()
    assert results == []
    assert panel.status_label.text() == "Stopped: nothing was changed."


def test_a_result_that_is_under_way_is_dropped_by_cancel(qtbot, panel) -> None:
    results = []
    panel.run_job(lambda progress: 1, results.append, title="Hurrying")
    QThreadPool.globalInstance().waitForDone()
    with qtbot.waitSignal(panel.running_changed):
        panel.cancel_button.click()
    assert results == []
    assert panel.status_label.text() == "Stopped: nothing was changed."


def test_finish_keeps_what_there_is(qtbot, panel) -> None:
    results = []
    panel.run_job(until_finish, results.append, title="Waiting")
    qtbot.waitUntil(lambda: "tile 1 of 4" in panel.status_label.text())
    with qtbot.waitSignal(panel.running_changed):
        panel.finish_button.click()
    assert results == ["kept"]
    assert panel.notice_label.text() == "• the tile was halved"


def fail(progress: Progress) -> None:
    raise ImageShapeError("The image has one axis. Open one with two.")


def test_an_error_for_the_user_is_shown_in_words(qtbot, panel) -> None:
    panel.run_job(fail, pytest.fail, title="Failing")
    with qtbot.waitSignal(panel.running_changed):
        pass
    assert panel.status_label.text() == "⚠ The image has one axis. Open one with two."
    assert panel.run_button.isEnabled()


def test_a_problem_disables_run_and_says_why(panel) -> None:
    panel.show_status("12 nuclei")
    panel.set_problem("Open an image first.")
    assert not panel.run_button.isEnabled()
    assert panel.status_label.text() == "⚠ Open an image first."
    panel.set_problem("")
    assert panel.run_button.isEnabled()
    assert panel.status_label.text() == "12 nuclei"


def test_options_of_the_command_line_are_left_out(panel) -> None:
    panel.set_problem("The image has 2 channels. Choose the one that shows the nuclei (--channel NAME).")
    assert panel.status_label.text() == "⚠ The image has 2 channels. Choose the one that shows the nuclei."


def test_napari_is_told_what_runs_and_can_cancel_it(qtbot, make_napari_viewer_proxy) -> None:
    panel = JobPanel()
    make_napari_viewer_proxy().window.add_dock_widget(panel)
    panel.run_job(until_finish, pytest.fail, title="Segmenting DAPI")
    qtbot.waitUntil(lambda: panel.progress_bar.value() > 0)
    with qtbot.waitSignal(panel.running_changed):
        panel.cancel()


def test_a_job_whose_dock_is_closed_has_progress_and_cancel_in_napari_s_activity_area(
    qtbot, make_napari_viewer_proxy
) -> None:
    panel, window = JobPanel(), make_napari_viewer_proxy(show=True).window
    window.add_dock_widget(panel)
    panel.run_job(until_finish, pytest.fail, title="Segmenting DAPI")
    qtbot.waitUntil(lambda: panel.progress_bar.value() > 0)
    window.remove_dock_widget(panel)
    area = window._qt_window._activity_dialog
    [bar] = area.findChildren(QtLabeledProgressBar)
    assert bar.description_label.text() == "Segmenting DAPI: "
    assert bar.qt_progress_bar.value() == 25
    window.add_dock_widget(panel)
    qtbot.waitUntil(lambda: not area.findChildren(QtLabeledProgressBar))  # it is seen in the dock again
    window.remove_dock_widget(panel)
    [bar] = area.findChildren(QtLabeledProgressBar)
    with qtbot.waitSignal(panel.running_changed):
        bar.cancel_button.click()
    assert panel.status_label.text() == "Stopped: nothing was changed."
    qtbot.waitUntil(lambda: not area.findChildren(QtLabeledProgressBar))


def test_a_job_that_ends_while_its_dock_is_closed_leaves_no_bar(qtbot, make_napari_viewer_proxy) -> None:
    window = make_napari_viewer_proxy(show=True).window
    panel = JobPanel("Run")
    window.add_dock_widget(panel)
    qtbot.waitUntil(panel.isVisible)
    panel.run_job(lambda progress: 1, lambda result: None, title="Hurrying")
    QThreadPool.globalInstance().waitForDone()
    window.remove_dock_widget(panel)
    assert not progress._all_instances


def test_what_a_job_refers_to_is_let_go_of_when_it_is_done(qtbot, make_napari_viewer_proxy) -> None:
    panel = JobPanel()
    make_napari_viewer_proxy().window.add_dock_widget(panel)

    def look() -> weakref.ref[np.ndarray]:
        image = np.zeros((4, 4))
        panel.run_job(partial(lambda image, progress: None, image), lambda result: None, title="Looking")
        return weakref.ref(image)

    kept = look()
    qtbot.waitUntil(lambda: not panel.is_running)
    gc.collect()
    assert kept() is None


def test_a_failure_in_a_napari_window_is_shown_by_the_panel_alone(qtbot, make_napari_viewer_proxy) -> None:
    panel = JobPanel()
    make_napari_viewer_proxy().window.add_dock_widget(panel)
    with qtbot.captureExceptions() as others:
        panel.run_job(fail, pytest.fail, title="Failing")
        qtbot.waitUntil(lambda: not panel.is_running)
    assert not others
    assert panel.status_label.text() == "⚠ The image has one axis. Open one with two."


def test_time_left_is_judged_without_the_first_step() -> None:
    clock = iter([0.0, 9.0, 11.0])
    left = TimeLeft(lambda: next(clock))
    left.advance(0.0)
    left.advance(0.5)
    assert left.text() == ""
    left.advance(0.75)
    assert left.text() == "about 2 s left"
