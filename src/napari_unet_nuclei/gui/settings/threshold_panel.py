"""Sliders for the thresholds that turn the network's maps into nuclei."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.settings.settings_form import field_tooltip
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

TITLES = {
    "foreground": "Edge",
    "split": "Split touching",
    "score": "Drop doubtful",
    "min_size": "Smallest (px²)",
}
"""Labels of the thresholds, by their names in `SegmentSettings`."""

NO_THRESHOLDS = "This model assigns the most probable class to every pixel: there are no thresholds."
"""Tooltip of the disabled panel."""

WITHOUT_MAPS = (
    "The network's maps of this large image are not kept, so changing thresholds requires a new run. Moving a slider "
    "runs the visible part again, as a trial; Apply to all runs the whole image again and replaces its labels."
)
"""Note for images whose maps are too large to keep."""

SMALLEST_RANGE = 50
"""Least maximum of the slider for the smallest size, in px²."""


class ThresholdPanel(QWidget):
    """Sliders for the edge, the depth of notches that split nuclei, the lowest score, and the smallest size.

    A threshold is the model's own until its slider is moved, and again after Reset. Values set by hand stay for later
    runs. Results with classes have no thresholds: the panel then says so and is disabled.
    """

    changed = Signal()
    """The user moved a slider or pressed Reset."""

    apply_to_all = Signal()
    """The user asked to segment the whole image with these thresholds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        defaults = SegmentSettings()
        self._own = {name: float(getattr(defaults, name)) for name in TITLES}
        self._by_hand: set[str] = set()
        self._model = DecodeThresholds(defaults.foreground, defaults.split, defaults.min_size)
        self.sliders = {
            "foreground": NumberSlider(0.01, 0.99, 2),
            "split": NumberSlider(0.01, 0.99, 2),
            "score": NumberSlider(0, 0.99, 2),
            "min_size": NumberSlider(0, 200, 0),
        }
        self.reset_button = QPushButton("Reset")
        self.reset_button.setToolTip("Restore the thresholds that were fitted with the model.")
        self.apply_button = QPushButton("Apply to all")
        self.apply_button.setToolTip("Segment the whole image again with these thresholds.")
        self.apply_button.hide()
        self.note_label = Sentence(WITHOUT_MAPS)
        self.note_label.hide()
        self.origin_label = QLabel()
        self._without_thresholds = False
        self._lay_out()
        for name, slider in self.sliders.items():
            slider.setValue(self._own[name])
            slider.valueChanged.connect(FixedCall(slider, self._set_by_hand, name).call)
        self.reset_button.clicked.connect(self._reset)
        self.apply_button.clicked.connect(self.apply_to_all)
        self._refresh()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, (name, title) in enumerate(TITLES.items()):
            label = QLabel(title)
            for widget in (label, self.sliders[name]):
                widget.setToolTip(field_tooltip(SegmentSettings, name))
            grid.addWidget(label, row, 0)
            grid.addWidget(self.sliders[name], row, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.origin_label, stretch=1)
        buttons.addWidget(self.apply_button)
        buttons.addWidget(self.reset_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note_label)
        layout.addLayout(grid)
        layout.addLayout(buttons)

    def thresholds(self) -> DecodeThresholds:
        """Return the thresholds for the image of the last result."""
        values = {
            name: slider.value() if name in self._by_hand else self._own[name] for name, slider in self.sliders.items()
        }
        smallest = round(values["min_size"])
        return replace(
            self._model,
            foreground=values["foreground"],
            split=values["split"],
            min_size=smallest,
            score=values["score"],
        )

    def show_result(self, model: DecodeThresholds, diameter: float) -> None:
        """Show the model's thresholds for an image; its typical diameter (px) sets the range of sizes."""
        self._without_thresholds = False
        self._own = {name: float(getattr(model, name)) for name in TITLES}
        self._model = model
        self.sliders["min_size"].setMaximum(max(math.pi / 4 * diameter**2, SMALLEST_RANGE, 2 * model.min_size))
        self._show_own()

    def show_cost(self, *, takes_run: bool) -> None:
        """Show whether changing the thresholds of the last result requires a new run."""
        self.note_label.setVisible(takes_run)
        self.apply_button.setVisible(takes_run)

    def show_none(self) -> None:
        """Disable the sliders: the last result has no thresholds."""
        self._without_thresholds = True
        self._refresh()

    def changed_settings(self, settings: SegmentSettings) -> SegmentSettings:
        """Return settings with these thresholds: values if set by hand, otherwise the model's."""
        values: dict[str, Any] = {f"{name}_auto": name not in self._by_hand for name in TITLES}
        for name in self._by_hand:
            value = self.sliders[name].value()
            values[name] = round(value) if name == "min_size" else value
        changed: SegmentSettings = settings.changed(**values)
        return changed

    def setValue(self, settings: SegmentSettings) -> None:
        """Show the thresholds of settings."""
        self._by_hand = {name for name in TITLES if not getattr(settings, f"{name}_auto")}
        for name in self._by_hand:
            self.sliders[name].setValue(getattr(settings, name))
        self._show_own()

    def _show_own(self) -> None:
        """Move sliders that were not set by hand to the model's values."""
        for name in TITLES.keys() - self._by_hand:
            self.sliders[name].setValue(self._own[name])
        self._refresh()

    def _set_by_hand(self, name: str) -> None:
        self._by_hand.add(name)
        self._refresh()
        self.changed.emit()

    def _reset(self) -> None:
        self._by_hand.clear()
        self._show_own()
        self.changed.emit()

    def _refresh(self) -> None:
        self.setEnabled(not self._without_thresholds)
        self.setToolTip(NO_THRESHOLDS if self._without_thresholds else "")
        self.reset_button.setEnabled(bool(self._by_hand))
        origin = "set by you" if self._by_hand else "as fitted with the model"
        self.origin_label.setText("classes have no thresholds" if self._without_thresholds else origin)


class NumberSlider(QWidget):
    """A slider with a box in which the number can be typed.

    Parameters
    ----------
    low, high : float
        `setValue` and typing may exceed ``high``, which extends the slider.
    decimals : int
        A step of the slider is one unit in the last digit.
    """

    valueChanged = Signal(float)
    """The user changed the value; `setValue` does not emit it."""

    def __init__(self, low: float, high: float, decimals: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: int = 10**decimals
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMinimum(round(low * self._steps))
        self.box = QDoubleSpinBox()
        self.box.setDecimals(decimals)
        self.box.setRange(low, 1_000_000 if decimals == 0 else high)
        self.box.setSingleStep(1 / self._steps)
        self.box.setKeyboardTracking(False)
        self.box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.box.setStyleSheet("min-width: 3.4em; max-width: 3.4em")  # napari's style sheet would make it twice as wide
        self.setMaximum(high)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, stretch=1)
        layout.addWidget(self.box)
        self.slider.valueChanged.connect(self._follow_slider)
        self.box.valueChanged.connect(self._follow_box)

    def value(self) -> float:
        """Return the number."""
        return float(self.box.value())

    def setValue(self, value: float) -> None:
        """Show a number."""
        self._show(value)

    def setMaximum(self, high: float) -> None:
        """Set the maximum of the slider, at least to the current value."""
        self.slider.blockSignals(True)
        self.slider.setMaximum(round(max(high, self.box.value()) * self._steps))
        self.slider.blockSignals(False)

    def _show(self, value: float) -> None:
        """Show a number in slider and box without emitting a signal."""
        for widget in (self.slider, self.box):
            widget.blockSignals(True)
        self.box.setValue(value)
        self.slider.setMaximum(max(self.slider.maximum(), round(value * self._steps)))
        self.slider.setValue(round(value * self._steps))
        for widget in (self.slider, self.box):
            widget.blockSignals(False)

    def _follow_slider(self, position: int) -> None:
        self._show(position / self._steps)
        self.valueChanged.emit(self.value())

    def _follow_box(self, value: float) -> None:
        self._show(value)
        self.valueChanged.emit(self.value())
