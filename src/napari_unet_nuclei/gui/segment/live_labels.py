"""A labels layer that follows the thresholds, with a table that always belongs to the labels shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from napari.layers import Labels as LabelsLayer
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt import count_doubtful
from napari_unet_nuclei.core.labels.kept_ids import KeptIds, keep_ids
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.types import Labels, Region
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.segment.job import SegmentAnswer
from napari_unet_nuclei.gui.segment.run_name import is_same_run
from napari_unet_nuclei.gui.segment.view_first import IN_VIEW, Part, ShownSection, ViewDecoder, is_plain, section_job
from napari_unet_nuclei.gui.segment.written_labels import WrittenLabels
from napari_unet_nuclei.gui.viewer.display import recolour
from napari_unet_nuclei.gui.viewer.followed_layer import is_followed
from napari_unet_nuclei.gui.viewer.layers import (
    METADATA_KEY,
    LayerImage,
    labels_arguments,
    labels_name,
    result_metadata,
    table_features,
)
from napari_unet_nuclei.gui.viewer.view import part_in_view
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    import napari

REST = 300
"""Milliseconds without a new result before the table is measured."""

FOLLOW = 150
"""Milliseconds without another move before sliders are applied to the rest of a large plane."""


SETTLED = 100
"""Milliseconds until doubtful nuclei are counted: the window needs the processor first, to show the labels."""


@dataclass(frozen=True)
class _Measured:
    """A table for a result; ``untouched`` as in `_Decoded`."""

    result: SegmentResult
    table: pd.DataFrame
    untouched: bool


@dataclass(frozen=True)
class _Decoded:
    """A result from other thresholds; ``untouched`` if the user had not edited the labels that it replaces."""

    result: SegmentResult
    shown: Labels
    untouched: bool
    kept: KeptIds
    copy: Labels | None = None  # as `WrittenLabels.write` needs it for large planes


class LiveLabels(QObject):
    """One result and the labels layer that shows it."""

    labels_changed = Signal()
    """Other labels are shown, without a table so far."""

    table_changed = Signal()
    """The table of the labels arrived, or was dropped because they were edited."""

    layer_added = Signal(str)
    """A new layer was added because the labels had been edited; carries a message."""

    work_changed = Signal()
    """The sliders are being applied, or no longer; or doubtful nuclei were counted."""

    failed = Signal(object)

    def __init__(self, viewer: napari.Viewer, answer: SegmentAnswer, note: str = "") -> None:
        super().__init__()
        self._viewer = viewer
        self._note = note
        self.image: LayerImage = answer.image
        self.request: SegmentRequest = answer.request
        self.result: SegmentResult = answer.result
        self.table: pd.DataFrame | None = answer.table
        self.change_text = ""
        """Nuclei that the last change of a slider added and took away, e.g. "+12 −3"."""
        self._seen, self._where = "", answer.where
        self.doubtful: int | None = None
        """Number of doubtful nuclei and places; None while they are being counted, and where there are no maps."""
        self._begin()
        self._edits = 0
        self._view = ViewDecoder()
        self._wanted: DecodeThresholds = self.result.thresholds
        self._viewing = LatestJob()
        self._viewing.succeeded.connect(self._show_part)
        self._viewing.failed.connect(self.failed)
        self._decoding = LatestJob()
        self._decoding.succeeded.connect(self._show)
        self._decoding.failed.connect(self.failed)
        self._measuring = LatestJob()
        self._measuring.succeeded.connect(self._show_table)
        self._measuring.failed.connect(self.failed)
        self._doubting = LatestJob()
        self._doubting.succeeded.connect(self._take_doubtful)
        self._doubting.failed.connect(self.failed)
        self._preparing = LatestJob()
        self._preparing.failed.connect(self.failed)
        self._rest = rest_timer(self, self.measure, REST)
        self._following = rest_timer(self, self._decode_all, FOLLOW)
        self._counting = rest_timer(self, self._count_doubtful, SETTLED)
        self._add_layer(answer.layer, self.image.arrange(self.result.labels))
        self._counting.start()

    def _begin(self) -> None:
        """Start from the ids of the run; sliders then keep those of the nuclei that they leave as they are."""
        self._first: Labels = self.result.labels
        self._ids = _plain_ids(self.result)
        self._free = len(self._ids)

    def _add_layer(self, layer: LabelsLayer, copy: Labels) -> None:
        """Add a layer with labels that people may paint on, of which there is a copy; napari makes its name unique."""
        layer.name = labels_name(self.result, self.image) + self._note
        layer.metadata = {METADATA_KEY: result_metadata(self.result, self.image)}
        self.layer = self._viewer.add_layer(layer)
        self._called = self.layer.name
        self.layer.events.paint.connect(self._note_edit)
        self._written = WrittenLabels(self.layer, copy, self)
        self._written.ended.connect(self._note_written)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty if the labels are nuclei."""
        return self.result.classes

    @property
    def in_view(self) -> str:
        """Number of nuclei in view as long as the rest is not known, e.g. "112 in view"; else empty."""
        return self._seen or (f"{self.result.count:,} {self._where}" if self._where else "")

    @property
    def has_maps(self) -> bool:
        """True if thresholds act immediately."""
        return self.result.decoder is not None

    @property
    def is_busy(self) -> bool:
        """True while labels or table are being computed."""
        return self.is_decoding or self._measuring.is_busy or self._rest.isActive()

    @property
    def is_decoding(self) -> bool:
        """True while sliders are being applied."""
        waits = self._following.isActive() or self._written.is_writing
        return waits or self._viewing.is_busy or self._decoding.is_busy

    @property
    def table_state(self) -> str:
        """Where the table is, as text."""
        if self.table is not None:
            return "table in the layer's features"
        if is_followed(self.layer):
            return "followed over time: see Layers > Measure for a table"
        return "edited by hand: see Layers > Measure for a table" if self._edits else "table follows…"

    def apply(self, thresholds: DecodeThresholds) -> None:
        """Show the labels for other thresholds soon; of calls in quick succession only the last counts.

        In a large plane or volume they are applied to what is in view first, and to the rest once the slider rests.
        """
        assert self.result.decoder is not None, "without maps the engine has to run again"
        self._wanted = thresholds
        for timer in (self._rest, self._counting):
            timer.stop()
        for job in (self._measuring, self._doubting, self._preparing):
            job.cancel()
        section = self._section_job(thresholds)
        if section is not None:
            # The rest begins once the section is there: both at once would make it wait.
            self._decoding.cancel()
            self._following.stop()
            self._viewing.submit(section)
        elif self._comes_in_parts():
            self._decoding.cancel()
            self._following.start()
            known = self._ids, self._free
            self._viewing.submit(self._view.job(self.layer, self.result, thresholds, known, self._written.own_copy))
        else:
            self._decode_all()
        self.work_changed.emit()

    def _comes_in_parts(self) -> bool:
        """Tell whether what is in view is decoded before the rest: in large planes, seen from above as they are."""
        plain = self.result.labels.ndim == 2 and is_plain(self.image)
        dims = self._viewer.dims
        above = dims.ndisplay == 2 and set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1}
        return plain and above and self.result.maps is not None and self._written.is_large and self._written.holds()

    def _section_job(self, thresholds: DecodeThresholds) -> Callable[[Progress], ShownSection] | None:
        """Return the job for what is in view of a large volume; None for anything else, and where it would not help."""
        if self.layer not in self._viewer.layers or not self._written.holds() or self._edits:
            return None
        known = self._ids, self._free
        return section_job(self._viewer, self.layer, self.result, thresholds, known, self._written.comparison())

    def _show_part(self, part: Part | ShownSection) -> None:
        """Show what is in view, unless the labels were edited: then all of it goes to another layer."""
        if isinstance(part, ShownSection):
            self._following.start()
        if part.result is not self.result or self._edits or not self._written.holds():
            return
        if isinstance(part, ShownSection) and not part.untouched:
            return
        self._seen, self.change_text, self.doubtful = part.count, "", None
        self._drop_table()
        if isinstance(part, ShownSection):
            self._written.show_section(part.section)
        else:
            self._written.write(part.shown, part.region, _middle_of(part.region), part.copy)
        self.work_changed.emit()

    def _decode_all(self) -> None:
        """Decode everything."""
        thresholds, result, image, written = self._wanted, self.result, self.image, self._written
        ids, first, free = self._ids, self._first, self._free
        is_untouched, comes_in_parts = written.comparison(), self._comes_in_parts()

        def decode(progress: Progress) -> _Decoded:
            def checkpoint() -> None:
                progress.report(Advanced(0.0, ""))

            decoded = result.decode(thresholds, checkpoint)
            kept = keep_ids(decoded.labels, result.labels, ids, first, free)
            checkpoint()
            return _Decoded(
                decoded,
                shown=np.ascontiguousarray(image.arrange(kept.ids[decoded.labels])),
                untouched=is_untouched(),
                kept=kept,
                copy=written.own_copy() if comes_in_parts else None,
            )

        self._decoding.submit(decode)

    def can_take(self, answer: SegmentAnswer) -> bool:
        """Return whether an answer differs from these labels in thresholds at most, and nobody painted on them."""
        return is_same_run(self.request, answer.request) and not self.is_edited()

    def take(self, answer: SegmentAnswer) -> None:
        """Replace the result by another run of the same image; edited labels are kept in their layer."""
        self._stop()
        self._wanted, self._where = answer.result.thresholds, answer.where
        untouched, kept = not self.is_edited(), KeptIds(_plain_ids(answer.result), 0, 0)
        if untouched:
            self._call_it_after(answer)
            if isinstance(answer.layer.colormap, CyclicLabelColormap):
                recolour(self.layer, answer.layer.colormap)
        self.image, self.request = answer.image, answer.request
        copy = self._written.own_copy() if self._comes_in_parts() else None
        self._show(_Decoded(answer.result, answer.layer.data, untouched, kept, copy))
        self._begin()
        self._rest.stop()
        self._show_table(_Measured(answer.result, answer.table, untouched=True))

    def _call_it_after(self, answer: SegmentAnswer) -> None:
        """Call the layer after the image of an answer, unless the user gave it a name."""
        if answer.image.name != self.image.name and self.layer.name == self._called:
            self.layer.name = labels_name(answer.result, answer.image) + self._note
            self._called = self.layer.name

    def measure(self) -> None:
        """Measure the labels shown."""
        result, request = self.result, self.request
        is_untouched, ids = self._written.comparison(), self._ids

        def measure(progress: Progress) -> _Measured:
            table = measure_result(result, request, progress)
            if not result.classes:
                table["label"] = ids[table["label"].to_numpy(np.int64)]
            return _Measured(result, table, is_untouched())

        self._measuring.submit(measure)

    def is_edited(self) -> bool:
        """Return whether the labels were painted on, replaced or removed; to be followed over time is no edit."""
        if self.layer in self._viewer.layers and is_followed(self.layer):
            return False
        return not self._holds_ours() or not self._written.is_as_written()

    def _holds_ours(self) -> bool:
        return self.layer in self._viewer.layers and self._written.holds()

    def close(self) -> None:
        """Stop following the thresholds; the layer stays."""
        self._stop()
        self._doubting.cancel()
        self._preparing.cancel()
        self.layer.events.paint.disconnect(self._note_edit)

    def _stop(self) -> None:
        """Let nothing come any more of what was asked for."""
        for timer in (self._rest, self._following, self._counting):
            timer.stop()
        for job in (self._viewing, self._decoding, self._measuring):
            job.cancel()
        self._written.stop()

    def _show(self, decoded: _Decoded) -> None:
        """Put new labels into the layer, or into a new one if the user has edited it."""
        touched = not decoded.untouched or self._edits > 0
        edited = (touched or not self._holds_ours()) and self.is_edited()
        self.result, self._ids = decoded.result, decoded.kept.ids
        self._free = max(self._free, int(self._ids.max(initial=0)) + 1)
        self.change_text = _change_text(decoded.kept)
        self.doubtful, self._seen = None, ""
        self.table = None
        self._edits = 0
        if edited:
            self._show_beside(decoded.shown)
        else:
            self.layer.features = pd.DataFrame()
            if decoded.copy is not None and self._comes_in_parts():
                height, width = decoded.shown.shape
                middle = _middle_of(part_in_view(self.layer, IN_VIEW))
                self._written.write(decoded.shown, (0, height, 0, width), middle, decoded.copy)
            else:
                self._written.replace(decoded.shown)
            self.layer.metadata = {**self.layer.metadata, METADATA_KEY: result_metadata(decoded.result, self.image)}
        if not self._written.is_writing:
            self._rest.start()
        self.labels_changed.emit()

    def _note_written(self) -> None:
        """Tell others that the labels are all there, and measure them soon."""
        if not self._seen:
            self.layer.events.data(value=self.layer.data)
            if self.table is None:
                self._rest.start()
        self.work_changed.emit()

    def _show_beside(self, shown: Labels) -> None:
        edited = self.layer.name
        self.layer.events.paint.disconnect(self._note_edit)
        self._written.stop()
        arguments = labels_arguments(self.result, self.image, pd.DataFrame())
        layer = LabelsLayer(shown.copy(), visible=False, colormap=self.layer.colormap, **arguments)
        layer.contour, layer.visible = self.layer.contour, True
        self._add_layer(layer, shown)
        self.layer_added.emit(f"You changed '{edited}', so the sliders now write to '{self.layer.name}'.")

    def _show_table(self, measured: _Measured) -> None:
        """Show the table if its labels are still shown."""
        if measured.result is not self.result or not measured.untouched or not self._holds_ours():
            return
        self.table = measured.table
        self._counting.start()
        self.layer.features = table_features(measured.table)
        self.table_changed.emit()

    def _count_doubtful(self) -> None:
        if self.result.maps is not None and self.result.planes != "volume" and not self.classes:
            self._doubting.submit(partial(_doubtful, self.result))

    def _take_doubtful(self, counted: tuple[SegmentResult, int]) -> None:
        result, doubtful = counted
        if result is self.result:
            self.doubtful = doubtful
            self.work_changed.emit()
            # Nothing else is to be done now: the next move of a slider finds it ready.
            self._preparing.submit(partial(_prepare, result))

    def _note_edit(self) -> None:
        """Drop the table: it no longer describes the painted labels."""
        self._edits += 1
        self._rest.stop()
        self._measuring.cancel()
        if self._written.is_writing:
            # What the layer shows now is a person's: all of the labels go to another one.
            self._written.stop()
            self._following.start()
        self._drop_table()

    def _drop_table(self) -> None:
        if self.table is not None:
            self.table = None
            self.layer.features = pd.DataFrame()
            self.table_changed.emit()


def _doubtful(result: SegmentResult, progress: Progress) -> tuple[SegmentResult, int]:
    """Count the nuclei, and the places where one may be missed, that deserve a look."""
    assert result.maps is not None, "asked for results with maps"
    planes = result.labels.reshape(-1, *result.labels.shape[-2:])
    checkpoint = partial(progress.report, Advanced(0.0, ""))
    counts = [
        count_doubtful(plane, maps, result.thresholds, checkpoint)
        for plane, maps in zip(planes, result.maps, strict=False)
    ]
    return result, sum(counts)


def _prepare(result: SegmentResult, progress: Progress) -> None:
    """Get ready for other foreground thresholds."""
    if result.decoder is not None:
        result.decoder.prepare(partial(progress.report, Advanced(0.0, "")))


def _middle_of(region: Region) -> tuple[float, float]:
    y0, y1, x0, x1 = region
    return (y0 + y1) / 2, (x0 + x1) / 2


def _plain_ids(result: SegmentResult) -> NDArray[np.int32]:
    return np.arange(result.count + 1, dtype=np.int32)


def _change_text(kept: KeptIds) -> str:
    """Return how many nuclei came and went, e.g. "+12 −3"; empty if none did."""
    parts = [f"+{kept.added:,}"] if kept.added else []
    return " ".join([*parts, f"−{kept.gone:,}"] if kept.gone else parts)
