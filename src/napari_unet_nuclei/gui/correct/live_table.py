"""Keeps a labels layer's features in line with its nuclei while they are corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.correct.review import Verdicts
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index
from napari_unet_nuclei.gui.viewer.nuclei_table import KeptTable, measured_rows, table_job


class LiveTable(QObject):
    """The table of one layer, measured once, and then row by row.

    Parameters
    ----------
    corrected : CorrectedLayer
    verdicts : Verdicts
        Says which nuclei were accepted.
    """

    measured = Signal()
    """All rows are new; nuclei that were touched meanwhile are to be given to `update` again."""

    failed = Signal(object)

    def __init__(self, corrected: CorrectedLayer, verdicts: Verdicts) -> None:
        super().__init__()
        self._corrected = corrected
        self._verdicts = verdicts
        self._table: KeptTable | None = None
        self._is_writing = False
        self._job = LatestJob()
        self._job.succeeded.connect(self._take)
        self._job.failed.connect(self.failed)
        corrected.layer.events.features.connect(self._note_features)

    @property
    def is_busy(self) -> bool:
        """True while all rows are measured."""
        return self._job.is_busy

    def measure(self, corrected: CorrectedLayer) -> None:
        """Measure all rows, or take over what the layer has where it tells of its nuclei."""
        self._corrected = corrected
        self._job.submit(table_job(corrected))

    def forget(self) -> None:
        """Have no rows, as for other labels."""
        self._table = None

    def update(self, index: Index, nuclei: Iterable[int], boxes: Mapping[int, Region]) -> None:
        """Measure nuclei of a plane again that were touched; ``boxes`` has those that are left."""
        if self._table is not None:
            rows = measured_rows(self._corrected, list(self._table.table.columns), index, boxes)
            self._table = self._table.with_rows(self._corrected, index, nuclei, rows)

    def show(self) -> None:
        """Give the layer its features."""
        if self._table is not None:
            self._is_writing = True
            self._corrected.layer.features = self._table.features(self._corrected, self._verdicts.accepted)
            self._is_writing = False

    def close(self) -> None:
        """Leave the layer's features as they are from now on."""
        self._corrected.layer.events.features.disconnect(self._note_features)
        self._job.cancel()

    def _take(self, table: KeptTable) -> None:
        self._table = table
        self.measured.emit()

    def _note_features(self, _event: object) -> None:
        """Show the table again where others clear it, and take theirs over where they give another one."""
        if self._is_writing:
            return
        if self._corrected.layer.features.empty:
            QTimer.singleShot(0, self.show)
        else:
            self.measure(self._corrected)
