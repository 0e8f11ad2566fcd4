"""The classes of nuclei with their keys, colours and examples, and how well they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.labels.classify.nucleus_classes import MOST_CLASSES
from napari_unet_nuclei.gui.viewer.columns import titles_of
from napari_unet_nuclei.gui.viewer.layer_classes import LayerClasses
from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import SPACING, Folded, fill
from napari_unet_nuclei.gui.widgets.rest_timer import call_soon
from napari_unet_nuclei.gui.widgets.row_list import TICK_BOX
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

HOW = "Point at a nucleus, or click it, and press a key: 1 to 9 give it a class, 0 takes it away. The rest is told."


class ClassesPanel(QWidget):
    """Shows classes, and announces what the user wants; it decides nothing."""

    added, undo_wanted, open_wanted, save_wanted, former_wanted, doubtful_wanted = (Signal() for _ in range(6))

    renamed = Signal(str, str)
    """A class, and its new name."""

    removed = Signal(str)

    recoloured = Signal(str, str)
    """A class, and its new colour as #rrggbb."""

    columns_chosen = Signal(object)
    """Tuple of the columns that are to tell the classes; empty for all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, ClassRow] = {}
        self._grid = QGridLayout()
        self._grid.setSpacing(SPACING)
        self._grid.setColumnStretch(1, 1)
        self.add_button = _button("Add class", "Add a class; its key is the next number.")
        self.undo_button = _button("Undo", "Take back the last example.")
        self.open_button = _button("Open…", "Open classes that were saved: their examples teach as well.")
        self.save_button = _button("Save…", "Save the classes with their examples, for other images and for folders.")
        self.former_button = _button("Go on with the classes of last time", "Their examples teach here as well.")
        self.doubtful_button = _button(
            "Correct doubtful classes…", "Go from one nucleus whose class is doubtful to the next, in the dock Correct."
        )
        self.how, self.outcome, self.warnings = Sentence(HOW), Sentence(selectable=True), Sentence(selectable=True)
        self.columns = QListWidget()
        self.columns.setStyleSheet(TICK_BOX)
        self.columns.setToolTip("Measured columns by which the classes are told.")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        grid = QWidget()
        self._grid.setContentsMargins(0, 0, 0, 0)
        grid.setLayout(self._grid)
        buttons, files = QWidget(), QWidget()
        fill(QHBoxLayout(buttons), self.add_button, self.undo_button)
        fill(QHBoxLayout(files), self.open_button, self.save_button)
        box = Folded("Told by", "Measured columns by which the classes are told.", self.columns)
        parts = (self.how, grid, buttons, self.former_button, self.doubtful_button, self.outcome, self.warnings)
        fill(QVBoxLayout(self), ScrollColumn(*parts, files, box))

    def _connect(self) -> None:
        for button, signal in (
            (self.add_button, self.added),
            (self.undo_button, self.undo_wanted),
            (self.open_button, self.open_wanted),
            (self.save_button, self.save_wanted),
            (self.former_button, self.former_wanted),
            (self.doubtful_button, self.doubtful_wanted),
        ):
            button.clicked.connect(signal)
        self.columns.itemChanged.connect(self._announce_columns)

    def show_classes(self, classes: LayerClasses, examples: Mapping[str, int], told: Mapping[str, int]) -> None:
        """Show the classes, with numbers of examples and, once they are told, of nuclei."""
        if tuple(self.rows) != classes.names:
            self._make_rows(classes.names)
        for name, row in self.rows.items():
            row.show_colour(classes.colours[name])
            taught = f"{examples.get(name, 0):,} given"
            share = f" ({told[name] / max(sum(told.values()), 1):.1%})".replace("%", " %") if name in told else ""
            row.count.setText(f"{taught} · {told[name]:,}{share}" if name in told else taught)
        self.add_button.setEnabled(len(classes.names) < MOST_CLASSES)

    def show_columns(self, names: Sequence[str], chosen: Sequence[str], *, fixed: bool) -> None:
        """List the columns that can tell classes; those of a file are fixed."""
        self.columns.blockSignals(True)
        self.columns.clear()
        titles = titles_of(names)
        for name in names:
            item = QListWidgetItem(titles[name], self.columns)
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | (Qt.ItemFlag(0) if fixed else Qt.ItemFlag.ItemIsEnabled))
            on = not chosen or name in chosen
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self.columns.blockSignals(False)

    def show_check(self, text: str) -> None:
        """Say how well the examples are told."""
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))

    def show_doubts(self, warnings: str, doubtful: int) -> None:
        """Say what makes the classes doubtful, and of how many nuclei they are."""
        self.warnings.setText(warnings)
        self.warnings.setVisible(bool(warnings))
        self.doubtful_button.setText(f"Correct {doubtful:,} doubtful classes…" if doubtful else "No class is doubtful")
        self.doubtful_button.setEnabled(doubtful > 0)

    def _make_rows(self, names: Sequence[str]) -> None:
        for row in self.rows.values():
            row.remove()
        self.rows = {name: ClassRow(self, self._grid, place, name) for place, name in enumerate(names)}

    def _announce_columns(self) -> None:
        items = [item for place in range(self.columns.count()) if (item := self.columns.item(place)) is not None]
        ticked = [one.data(Qt.ItemDataRole.UserRole) for one in items if one.checkState() == Qt.CheckState.Checked]
        self.columns_chosen.emit(() if len(ticked) == len(items) else tuple(ticked))


class ClassRow:
    """The controls of one class, in a row of the panel's grid."""

    def __init__(self, panel: ClassesPanel, grid: QGridLayout, place: int, name: str) -> None:
        self._panel, self._name = panel, name
        self.colour_button = QToolButton()
        self.colour_button.setText(str(place + 1))
        self.colour_button.setToolTip(f"Key {place + 1} gives a nucleus this class. Click to change the colour.")
        self.edit = QLineEdit(name)
        self.edit.setToolTip("Name of the class.")
        call_soon(self.edit, LetterSize(self.edit).follow)  # once it is shown
        self.count = QLabel()
        self.count.setToolTip("Nuclei that were given this class, those of files included; and all that have it.")
        self.remove_button = QToolButton()
        self.remove_button.setText("✕")
        self.remove_button.setToolTip("Remove the class with its examples.")
        for column, widget in enumerate((self.colour_button, self.edit, self.count, self.remove_button)):
            grid.addWidget(widget, place, column)
        self.colour_button.clicked.connect(FixedCall(self.colour_button, self._ask_colour).call)
        self.edit.editingFinished.connect(FixedCall(self.edit, self._rename).call)
        self.remove_button.clicked.connect(FixedCall(self.remove_button, panel.removed.emit, name).call)

    def show_colour(self, colour: str) -> None:
        """Show the colour behind the key."""
        dark = QColor(colour).lightnessF() < 0.5
        text = "white" if dark else "black"
        look = f"background: {colour}; color: {text}; font-weight: bold; min-width: 22px; min-height: 20px"
        self.colour_button.setStyleSheet(f"QToolButton {{ {look} }}")

    def remove(self) -> None:
        """Take the controls out of the grid."""
        for widget in (self.colour_button, self.edit, self.count, self.remove_button):
            widget.hide()
            widget.deleteLater()

    def _rename(self) -> None:
        name = self.edit.text().strip()
        if name != self._name:
            self._panel.renamed.emit(self._name, name)

    def _ask_colour(self) -> None:
        chosen = QColorDialog.getColor(parent=self._panel, title=f"Colour of {self._name}")
        if chosen.isValid():
            self._panel.recoloured.emit(self._name, chosen.name())


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
