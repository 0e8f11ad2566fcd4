from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from napari_unet_nuclei.core.progress import EpochDone, Notice, Preview
from napari_unet_nuclei.gui.finetune.dock import TrainingView
from napari_unet_nuclei.gui.measure.plot import NucleiPlot
from napari_unet_nuclei.gui.widgets.loss_plot import LossPlot, PlotColours
from napari_unet_nuclei.gui.widgets.picture import PictureView


@pytest.fixture
def plot(qtbot) -> LossPlot:
    plot = LossPlot()
    qtbot.addWidget(plot)
    return plot


def curves(axes) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_every_epoch_is_a_point_of_three_curves(plot):
    plot.add(EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.2, "foreground IoU": 0.5}))
    assert plot.accuracy_axes.get_xlim() == (0.5, 5.5), "a single epoch is no axis of thousandths"
    plot.add(EpochDone(2, 0.7, 0.75, {"AP@0.5": 0.4, "foreground IoU": 0.6}))
    assert curves(plot.loss_axes) == {"training": [0.9, 0.7], "held out": [0.8, 0.75]}
    assert curves(plot.accuracy_axes) == {"held out": [0.2, 0.4]}
    plot.clear()
    assert curves(plot.accuracy_axes) == {"held out": []}


def test_colours_can_change_at_any_time(plot):
    plot.add(EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.2}))
    plot.set_colours(PlotColours("#112233", "#ddeeff"))
    assert plot.canvas.figure.get_facecolor() == to_rgba("#112233")
    assert plot.loss_axes.get_facecolor() == to_rgba("#112233")
    assert plot.loss_axes.yaxis.label.get_color() == "#ddeeff"
    assert plot.history[0].epoch == 1


@pytest.mark.parametrize("kind", [LossPlot, NucleiPlot])
def test_letters_have_the_size_that_is_asked_for(qtbot, kind):
    plot = kind()
    qtbot.addWidget(plot)
    for points in (9, 13.5):
        plot.set_colours(PlotColours(letters=points))
        axes = plot.canvas.figure.axes[-1]
        labels = (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels())
        assert {label.get_size() for label in labels} == {points}


def test_a_picture_keeps_its_proportions_at_any_width(qtbot):
    view = PictureView()
    qtbot.addWidget(view)
    assert view.heightForWidth(200) == 0
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = (10, 200, 30)
    view.set_picture(pixels)
    pixels[:] = 0
    assert view.heightForWidth(200) == 100
    view.resize(200, 100)
    seen = view.grab().toImage()
    scale = seen.width() / 200
    assert seen.pixelColor(round(150 * scale), round(50 * scale)).getRgb()[:3] == (10, 200, 30)
    view.clear()
    assert not view.has_picture


def test_the_course_shows_pictures_and_forgets_them_when_another_training_begins(qtbot):
    course = TrainingView()
    qtbot.addWidget(course)
    course.show()
    picture = np.full((32, 32, 3), 128, np.uint8)
    course.take(Preview(0, picture, picture))
    assert course.found_label.text() == "old model"
    assert course.hint_label.isVisible()
    course.take(Notice("nothing to see"))
    course.take(EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.2}))
    course.take(Preview(1, picture, picture))
    assert course.found_label.text() == "after epoch 1"
    assert not course.hint_label.isVisible()
    course.begin()
    assert not course.found_view.has_picture
    assert course.plot.history == ()
