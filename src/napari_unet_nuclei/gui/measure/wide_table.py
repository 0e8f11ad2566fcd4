"""The table of nuclei once more, where it is wide: a second view of the same rows and the same selection."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_nuclei.gui.widgets.forms import fill
from napari_unet_nuclei.gui.widgets.table_view import TableView


class WideTable(QWidget):
    """A view of another view's table, with all of its columns that have values."""

    def __init__(self, narrow: TableView) -> None:
        super().__init__()
        self.view = TableView(shared=narrow)
        fill(QVBoxLayout(self), self.view)
