"""Live curves of a training run: losses, and accuracy on held-out nuclei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_unet_nuclei.core.progress import EpochDone

AP50 = "AP@0.5"

TRAINING, HELD_OUT, ACCURACY = "#e69f00", "#56b4e9", "#2ca085"
"""Colours that colour-blind people can tell apart, on dark and light backgrounds."""

HEIGHT = 230
"""Pixels."""

SMALL = 8.0
"""Points of small letters."""

FEWEST_EPOCHS = 5
"""For which there is room from the beginning."""


@dataclass(frozen=True)
class PlotColours:
    """Background and text colour of a theme, in matplotlib's notation, and the size of letters in points."""

    background: str = "#ffffff"
    text: str = "#222222"
    letters: float = SMALL


class LossPlot(QWidget):
    """Two plots, one above the other: loss and accuracy per epoch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history: list[EpochDone] = []
        self._colours = PlotColours()
        self._figure = Figure(layout="constrained")
        self.canvas = FigureCanvasQTAgg(self._figure)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.canvas.setFixedHeight(HEIGHT)
        self.loss_axes, self.accuracy_axes = self._figure.subplots(2, 1, sharex=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setToolTip(
            "Loss: the error of the network on training crops and on held-out ones; lower is better.\n"
            "AP@0.5: accuracy on held-out nuclei, counting missed and extra ones against it; higher is better.\n"
            "Some rehearsed crops are held out as well, which shows what the network forgets."
        )
        self._draw()

    @property
    def history(self) -> tuple[EpochDone, ...]:
        """The epochs shown."""
        return tuple(self._history)

    def clear(self) -> None:
        """Remove all epochs."""
        self._history = []
        self._draw()

    def add(self, event: EpochDone) -> None:
        """Add an epoch."""
        self._history.append(event)
        self._draw()

    def set_colours(self, colours: PlotColours) -> None:
        """Use the colours of another theme."""
        self._colours = colours
        self._draw()

    def _draw(self) -> None:
        """Redraw everything, which is cheap: a run has a few dozen epochs."""
        epochs = [event.epoch for event in self._history]
        self.loss_axes.clear()
        self.accuracy_axes.clear()
        losses = {"training": (TRAINING, [event.train_loss for event in self._history])}
        losses["held out"] = (HELD_OUT, [event.val_loss for event in self._history])
        for name, (colour, values) in losses.items():
            _line(self.loss_axes, epochs, values, colour, name)
        accuracy = [event.scores.get(AP50, 0.0) for event in self._history]
        _line(self.accuracy_axes, epochs, accuracy, ACCURACY, "held out")
        self._label()
        self.canvas.draw_idle()

    def _label(self) -> None:
        colours, letters = self._colours, self._colours.letters
        self._figure.set_facecolor(colours.background)
        self.loss_axes.set_ylabel("loss")
        self.accuracy_axes.set_ylabel(AP50)
        self.accuracy_axes.set_xlabel("epoch")
        self.accuracy_axes.set_ylim(0, 1.02)
        self.accuracy_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.accuracy_axes.set_xlim(0.5, max(len(self._history), FEWEST_EPOCHS) + 0.5)
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "ncols": 2, "borderaxespad": 0.0}
        self.loss_axes.legend(frameon=False, fontsize=letters, labelcolor=colours.text, **above)
        for axes in (self.loss_axes, self.accuracy_axes):
            axes.set_facecolor(colours.background)
            axes.tick_params(colors=colours.text, labelsize=letters)
            axes.grid(color=colours.text, alpha=0.15)
            for label in (axes.xaxis.label, axes.yaxis.label):
                label.set(color=colours.text, fontsize=letters)
            for spine in axes.spines.values():
                spine.set(color=colours.text, alpha=0.4)
        self.loss_axes.tick_params(labelbottom=False)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float], colour: str, name: str) -> None:
    axes.plot(epochs, values, color=colour, marker="o", markersize=3, linewidth=1.5, label=name)
