"""Live curves of a training: how wrong the network is, and how well it finds nuclei that it does not learn from."""

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
"""Colours that people who are colour-blind tell apart, on dark and on light ground."""

HEIGHT = 230
"""Pixels."""


@dataclass(frozen=True)
class PlotColours:
    """Colours of a theme, as matplotlib reads them.

    Attributes
    ----------
    ground, text : str
    """

    ground: str = "#ffffff"
    text: str = "#222222"


class LossPlot(QWidget):
    """Two diagrams one above the other: loss and accuracy by epochs."""

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
            "Loss: how wrong the network is, on crops that it learns from and on held-out ones; lower is better.\n"
            "AP@0.5: share of held-out nuclei that are found and nothing else; higher is better.\n"
            "Some rehearsed crops are held out as well, so that what is forgotten shows."
        )
        self._draw()

    @property
    def history(self) -> tuple[EpochDone, ...]:
        """Epochs that are shown."""
        return tuple(self._history)

    def clear(self) -> None:
        """Begin anew."""
        self._history = []
        self._draw()

    def add(self, event: EpochDone) -> None:
        """Show one epoch more."""
        self._history.append(event)
        self._draw()

    def set_colours(self, colours: PlotColours) -> None:
        """Follow another theme."""
        self._colours = colours
        self._draw()

    def _draw(self) -> None:
        """Draw all anew: a training has a few dozen epochs."""
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
        colours = self._colours
        self._figure.set_facecolor(colours.ground)
        self.loss_axes.set_ylabel("loss")
        self.accuracy_axes.set_ylabel(AP50)
        self.accuracy_axes.set_xlabel("epoch")
        self.accuracy_axes.set_ylim(0, 1.02)
        self.accuracy_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not self._history:
            self.accuracy_axes.set_xlim(0.5, 5.5)
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "ncols": 2, "borderaxespad": 0.0}
        self.loss_axes.legend(frameon=False, fontsize=8, labelcolor=colours.text, **above)
        for axes in (self.loss_axes, self.accuracy_axes):
            axes.set_facecolor(colours.ground)
            axes.tick_params(colors=colours.text, labelsize=8)
            axes.grid(color=colours.text, alpha=0.15)
            for label in (axes.xaxis.label, axes.yaxis.label):
                label.set(color=colours.text, fontsize=8)
            for spine in axes.spines.values():
                spine.set(color=colours.text, alpha=0.4)
        self.loss_axes.tick_params(labelbottom=False)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float], colour: str, name: str) -> None:
    axes.plot(epochs, values, color=colour, marker="o", markersize=3, linewidth=1.5, label=name)
