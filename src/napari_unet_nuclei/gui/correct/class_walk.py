"""Walk through nuclei whose class is doubtful, and give them the right one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.errors import EditError, NucleiError
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS, PROBABILITY, doubtful
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.types import Index
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.navigator import Navigator
from napari_unet_nuclei.gui.viewer.layer_classes import Example, LayerClasses, classes_of, keep_classes, told
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable


class ClassWalk(QObject):
    """Acts on the classes that *Measure* has told of the current labels; their table is the layer's features."""

    said = Signal(str)

    failed = Signal(object)

    changed = Signal()

    def __init__(
        self,
        current: CurrentCorrection,
        navigator: Navigator,
        pointed: Callable[[], tuple[Index, int]],
        parent: QObject,
    ) -> None:
        """``pointed`` returns the plane and the id of the framed nucleus, else of the one under the mouse."""
        super().__init__(parent)
        self._current, self._navigator, self._pointed = current, navigator, pointed
        self._skipped: list[tuple[Index, int]] = []
        self._before: list[tuple[LayerClasses, tuple[Index, int]]] = []
        current.changed.connect(self._forget)

    @property
    def table(self) -> MeasuredTable | None:
        """The nuclei with their classes; None where none were told."""
        session = self._current.session
        if session is None or not {CLASS, PROBABILITY, "diameter_px"} <= set(session.layer.features.columns):
            return None
        return MeasuredTable(session.corrected.labels, session.layer.features)

    @property
    def classes(self) -> LayerClasses:
        """The classes of the current labels."""
        return classes_of(self._current.require().layer)

    @property
    def can_undo(self) -> bool:
        """True if the last thing that was done here was to give a class."""
        return bool(self._before)

    def forget_steps(self) -> None:
        """Leave undo to the edits that come now."""
        self._before = []

    def keys_text(self) -> str:
        """Say which key is which class, and how many classes are doubtful; empty where none were told."""
        table = self.table
        if table is None:
            return ""
        keys = " · ".join(f"{place} {name}" for place, name in enumerate(self.classes.names, start=1))
        left = len(doubtful(table.table))
        return f"{quantity(left, 'doubtful class', 'doubtful classes')}. Keys: {keys} · 0 none"

    def framed_text(self) -> str:
        """Say the class of the framed nucleus, and how probable it is."""
        table, framed = self.table, self._navigator.framed
        if table is None or framed is None or len(framed.boxes) != 1:
            return ""
        [label] = framed.boxes
        row = self._row(framed.index, label)
        name = table.table[CLASS].iloc[row] if row >= 0 else ""
        if not isinstance(name, str) or not name:  # changed since it was told
            return f"Nucleus {label}: no class."
        share = f"{table.table[PROBABILITY].iloc[row]:.0%}".replace("%", " %")
        return f"Nucleus {label}: {name}, {share}."

    def do(self, verb: str) -> None:
        """Go to the next doubtful class ("next"), or give a class by its number."""
        try:
            if verb == "next":
                self.next()
            else:
                self.give(int(verb) - 1)
        except NucleiError as error:
            self.failed.emit(error)
        self.changed.emit()

    def next(self) -> None:
        """Go to the nucleus whose class is most doubtful; the framed one comes back later."""
        table = self.table
        if table is None:
            raise EditError("No classes were told of these nuclei: give examples in the dock Measure.")
        framed = self._navigator.framed
        if framed is not None:
            self._skipped += [(framed.index, label) for label in framed.boxes]
        places, skipped = self._doubtful(table), set(self._skipped)
        left = [place for place in places if place not in skipped]
        if not left and places:
            self._skipped, left = [], places
        if not left:
            self._navigator.release()
            self.said.emit("No class is doubtful any more.")
            return
        self._navigator.visit(*left[0])

    def give(self, place: int) -> None:
        """Give the framed nucleus, else the one under the mouse, a class, and go on; below 0 takes it away."""
        table, classes = self.table, self.classes
        if table is None or place >= len(classes.names):
            raise EditError(f"There is no class {place + 1}: add one in the dock Measure.")
        index, label = self._pointed()
        row = self._row(index, label)
        if row < 0:
            raise EditError("This nucleus has not been measured since it was changed: press Measure again.")
        name = classes.names[place] if place >= 0 else ""
        walking = (index, label) in self._doubtful(table)
        self._before.append((classes, (index, label)))
        self._keep(classes.with_example(Example(label, tuple(table.position(row).tolist()), name)))
        if walking:
            self.next()
        self.said.emit(f"Nucleus {label} is {name}. Ctrl+Z undoes it." if name else f"Nucleus {label} is no example.")

    def undo(self) -> None:
        """Take back the class that was given last, and show its nucleus."""
        classes, place = self._before.pop()
        self._keep(classes)
        self._navigator.visit(*place)
        self.said.emit("Undone: class given.")
        self.changed.emit()

    def _keep(self, classes: LayerClasses) -> None:
        """Keep the classes, and tell the rest anew."""
        layer, table = self._current.require().layer, self.table
        keep_classes(layer, classes)
        if table is not None:
            layer.features = told(classes, table).table

    def _row(self, index: Index, label: int) -> int:
        table = self.table
        if table is None:
            return -1
        origin = table.labels.place.origin
        return table.row_at(label, np.array([*index, 0, 0], float) + np.array(origin))

    def _doubtful(self, table: MeasuredTable) -> list[tuple[Index, int]]:
        """Return plane and id of the nuclei whose class is doubtful, the most doubtful first."""
        rows, leading = doubtful(table.table), table.leading
        planes = leading[rows] - np.array(table.labels.place.origin[: leading.shape[1]], np.int64)
        labels = table.table["label"].to_numpy(np.int64)[rows]
        return list(zip(map(tuple, planes.tolist()), labels.tolist(), strict=True))

    def _forget(self) -> None:
        self._skipped, self._before = [], []
