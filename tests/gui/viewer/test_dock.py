"""How our docks lie in napari's window."""

from __future__ import annotations

import pytest
from napari.settings import get_settings
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QTabBar

from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from tests.helpers.correcting import segmented

ALL = (
    "Segment nuclei",
    "Correct nuclei",
    "Follow over time",
    "Measure nuclei",
    "Evaluate labels",
    "Fine-tune",
    "Batch segment folder",
    "Models",
)

LONG = 30_000


def open_dock(viewer, name: str) -> Dock:
    return viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]


def let_it_turn(qtbot) -> None:
    """Wait until the event loop has done all that is due by now: a dock finds its place in the next turn."""
    with qtbot.waitCallback(timeout=LONG) as turned:
        QTimer.singleShot(0, turned)


def test_a_second_dock_is_a_tab_before_the_first_until_the_user_moves_it(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    first, second = open_dock(viewer, "Measure nuclei"), open_dock(viewer, "Models")
    qtbot.waitUntil(lambda: second.is_in_front and not first.is_in_front, timeout=LONG)
    frame, window = ancestor(first, QDockWidget), ancestor(first, QMainWindow)
    assert window.tabifiedDockWidgets(frame) == [ancestor(second, QDockWidget)]
    frame.setFloating(True)
    qtbot.waitUntil(lambda: first.is_in_front, timeout=LONG)
    frame.hide()
    frame.show()
    let_it_turn(qtbot)
    assert window.tabifiedDockWidgets(frame) == []


def test_the_window_stays_as_large_as_it_is_when_a_dock_is_added(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    first = open_dock(viewer, "Measure nuclei")
    first.setMinimumHeight(450)  # as with a table and a plot
    window = ancestor(first, QMainWindow)
    window.resize(1000, 650)
    let_it_turn(qtbot)
    second = open_dock(viewer, "Batch segment folder")
    second.setMinimumHeight(350)
    qtbot.waitUntil(lambda: second.is_in_front and not first.is_in_front, timeout=LONG)
    qtbot.waitUntil(lambda: (window.width(), window.height()) == (1000, 650), timeout=LONG)


def test_titles_of_all_docks_are_read_whole_in_their_tabs(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    docks = [open_dock(viewer, name) for name in ALL]
    qtbot.waitUntil(lambda: docks[-1].is_in_front, timeout=LONG)
    let_it_turn(qtbot)
    [bar] = [one for one in ancestor(docks[0], QMainWindow).findChildren(QTabBar) if one.count() == len(docks)]
    for tab in range(bar.count()):
        assert bar.tabRect(tab).width() > bar.fontMetrics().horizontalAdvance(bar.tabText(tab)), bar.tabText(tab)


def test_letters_of_what_comes_later_into_a_dock_are_as_large_as_the_others(
    qtbot, make_napari_viewer_proxy, monkeypatch
):
    appearance = get_settings().appearance
    usual = appearance.font_size
    monkeypatch.setattr(appearance, "font_size", 2 * usual)
    viewer = make_napari_viewer_proxy(show=True)
    image, labels, metadata = segmented(3)
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels, name="DAPI labels", metadata=metadata)
    dock = open_dock(viewer, "Measure nuclei")
    qtbot.waitUntil(dock.panel.run_button.isEnabled, timeout=LONG)
    dock.panel.run_button.click()
    qtbot.waitUntil(lambda: dock.results.plot is not None and not dock.panel.is_running, timeout=LONG)
    dock.results.tabs.setCurrentWidget(dock.results.classes_panel)
    dock.results.classes_panel.add_button.click()
    names = list(dock.results.classes_panel.rows.values())
    assert names
    qtbot.waitUntil(lambda: all(row.edit.font().pointSize() == 2 * usual for row in names), timeout=LONG)
    assert dock.results.plot.axes.xaxis.label.get_size() == pytest.approx(0.9 * 2 * usual)
    table = dock.results.table_view
    qtbot.waitUntil(
        lambda: table.columnWidth(0) > table.horizontalHeader().fontMetrics().horizontalAdvance("Nucleus"), timeout=LONG
    )
    column = dock.results_column
    assert column.widget().width() <= column.viewport().width(), "cut off at the right"
    appearance.font_size = usual


def test_every_dock_has_a_short_title_of_its_own_for_its_tab(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    first, second = open_dock(viewer, "Segment nuclei"), open_dock(viewer, "Batch segment folder")
    qtbot.waitUntil(lambda: second.is_in_front and not first.is_in_front, timeout=LONG)
    bars = ancestor(first, QMainWindow).findChildren(QTabBar)
    assert ["Segment", "Batch"] in [[bar.tabText(tab) for tab in range(bar.count())] for bar in bars]
    titles = [dock.tab_title for dock in Dock.__subclasses__()]
    assert "" not in titles
    assert len(set(titles)) == len(titles)


def test_docks_of_others_stay_where_they_are(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.add_dock_widget(QLabel("of another plugin"), name="other", area="right")
    own = open_dock(viewer, "Models")
    qtbot.waitUntil(lambda: own.is_in_front, timeout=LONG)
    let_it_turn(qtbot)
    assert ancestor(own, QMainWindow).tabifiedDockWidgets(ancestor(own, QDockWidget)) == []


@pytest.mark.usefixtures("tiny_model")
def test_keys_are_napari_s_while_the_dock_is_behind_another_tab(qtbot, open_bench):
    bench = open_bench()
    bench.click(20, 20)
    bench.key("K")
    assert bench.dock.canvas_input.is_waiting
    other = open_dock(bench.viewer, "Models")
    qtbot.waitUntil(lambda: other.is_in_front and not bench.dock.is_in_front, timeout=LONG)
    assert not bench.dock.canvas_input.is_waiting
    bench.key("D")
    assert bench.plane[20, 20] > 0
    ancestor(bench.dock, QDockWidget).raise_()
    qtbot.waitUntil(lambda: bench.dock.is_in_front, timeout=LONG)
    bench.key("D")
    assert bench.plane[20, 20] == 0


def test_tables_and_text_fields_have_the_letter_size_of_napari_s_preferences(
    qtbot, make_napari_viewer_proxy, monkeypatch
):
    appearance = get_settings().appearance
    usual = appearance.font_size
    monkeypatch.setattr(appearance, "font_size", 2 * usual)
    viewer = make_napari_viewer_proxy(show=True)
    table = open_dock(viewer, "Batch segment folder").table
    qtbot.waitUntil(lambda: table.font().pointSize() == 2 * usual, timeout=LONG)
    high = table.verticalHeader().defaultSectionSize()
    appearance.font_size = usual
    qtbot.waitUntil(lambda: table.font().pointSize() == usual, timeout=LONG)
    assert table.verticalHeader().defaultSectionSize() < 0.7 * high
