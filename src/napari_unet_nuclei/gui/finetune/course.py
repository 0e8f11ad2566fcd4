"""How a training goes: live curves, and a held-out crop as it is and as the network sees it by now."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_unet_nuclei.core.progress import EpochDone, Event, Preview
from napari_unet_nuclei.gui.widgets.loss_plot import LossPlot
from napari_unet_nuclei.gui.widgets.picture import PictureView
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

BEFORE = "The curves begin with the first epoch. Cancel leaves everything as it was, Finish keeps the best so far."


class TrainingCourse(QWidget):
    """Curves and pictures of the training that runs, or of the last one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = LossPlot()
        self.hint_label = Sentence(BEFORE)
        self.truth_view, self.found_view = PictureView("held-out crop, corrected"), PictureView("held-out crop, found")
        self.truth_label, self.found_label = QLabel("corrected"), QLabel()
        tooltip = "A part of the image that is held out from training. What nobody has reviewed is dark."
        pictures = QGridLayout()
        pictures.setSpacing(4)
        for column, (view, label) in enumerate(
            ((self.truth_view, self.truth_label), (self.found_view, self.found_label))
        ):
            view.setToolTip(tooltip)
            pictures.addWidget(label, 0, column)
            pictures.addWidget(view, 1, column)
            pictures.setColumnStretch(column, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hint_label)
        layout.addWidget(self.plot)
        layout.addLayout(pictures)
        self.begin()

    def begin(self) -> None:
        """Forget the training before."""
        self.plot.clear()
        self.hint_label.show()
        for view in (self.truth_view, self.found_view):
            view.clear()
        for label in (self.truth_label, self.found_label):
            label.hide()

    def take(self, event: Event) -> None:
        """Show an event of a running training."""
        if isinstance(event, EpochDone):
            self.hint_label.hide()
            self.plot.add(event)
        elif isinstance(event, Preview):
            self.truth_view.set_picture(event.truth)
            self.found_view.set_picture(event.found)
            self.found_label.setText("old model" if event.epoch == 0 else f"after epoch {event.epoch}")
            for label in (self.truth_label, self.found_label):
                label.show()
