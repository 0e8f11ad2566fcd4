"""An image of a run as a row of a table: how it will be read, then its result, as text."""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet_nuclei.core.folder.dry_run import Prospect
from napari_unet_nuclei.core.folder.record import FileRecord, without_path
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.layouts.split_image import Member
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES, in_words

MOST_FILES = 8
"""Files of an image that are named."""

SHOW, PREVIEW = "Show", "Preview"
"""Actions of a click on a row."""


@dataclass(frozen=True)
class FileRow:
    """One image in the table.

    Attributes
    ----------
    prospect : Prospect
        How it will be read.
    record : FileRecord or None
        Its result or error; None before a run.
    """

    prospect: Prospect
    record: FileRecord | None = None

    @property
    def result(self) -> FileRecord | None:
        """The result of this run or an earlier one; None if there is none."""
        record = self.record or self.prospect.record
        return record if record is not None and not record.error else None

    @property
    def action(self) -> str:
        """Action of a click."""
        if self.result is not None:
            return SHOW
        return "" if self.is_failed else PREVIEW

    @property
    def is_failed(self) -> bool:
        """True if the image could not be segmented, or cannot be."""
        return bool(self.record.error) if self.record is not None else self.prospect.intention == "fail"

    @property
    def urgency(self) -> int:
        """2 if the image failed or cannot be segmented, 1 if its result is doubtful, else 0."""
        return 2 if self.is_failed else self.result.urgency if self.result is not None else 0

    @property
    def state(self) -> str:
        """State of the image in one line."""
        if self.record is not None:
            return _record_state(self.record)
        prospect = self.prospect
        if prospect.intention == "fail":
            return f"✗ {in_words(without_path(prospect.message, prospect.image))}"
        doubt = f"⚠ {in_words(self.result.warning)} · " if self.result is not None and self.result.warnings else ""
        done = f"{doubt}done before · " if prospect.intention == "skip" else ""
        several = f"one of {len(prospect.listed)} · " if prospect.others else ""
        lacking = "incomplete · " if prospect.remarks else ""
        missing = f"⚠ {prospect.message} · " if prospect.message else ""
        return f"{missing}{done}{lacking}{several}{prospect.words} · {prospect.dtype} · {_size(prospect.bytes)}"

    @property
    def grouping(self) -> tuple[str, str, str]:
        """Well, field, and what the files of the image hold; empty where names tell nothing."""
        place, split = self.prospect.place, self.prospect.split
        return place.well if place else "", place.field if place else "", split.parts if split else ""

    @property
    def tooltip(self) -> str:
        """All that is known about the image, in several lines."""
        prospect = self.prospect
        channel = f"channel {prospect.channel}" if prospect.channel else ""
        result = self.result
        kind = result.kind if result is not None else prospect.kind
        several = f"in the same file, left out: {name_some(prospect.others)}" if prospect.others else ""
        facts = (prospect.words, prospect.dtype, channel, KIND_NAMES.get(kind, ""), several)
        read = " · ".join(filter(None, facts))
        place = prospect.place
        where = f"plate {place.plate} · well {place.well} · field {place.field or 'the only one'}" if place else ""
        lacking = "\n".join(prospect.remarks)
        files = "\n".join(f"{one.channel}  {one.path.name}".strip() for one in self._shown_files())
        said = self.record.message if self.record is not None else prospect.message
        warning = f"⚠ {in_words(result.warning)}" if result is not None and result.warnings else ""
        return "\n".join(
            filter(None, (prospect.title, read, lacking, where, files, warning, without_path(said, prospect.image)))
        )

    def _shown_files(self) -> tuple[Member, ...]:
        """The files of the image, where there are several; of many the first."""
        return self.prospect.split.members[:MOST_FILES] if self.prospect.split else ()


def _record_state(record: FileRecord) -> str:
    if record.error:
        return f"✗ {without_path(record.error, record.image)}"
    took = "done before" if record.skipped else f"✓ {record.seconds:.1f} s"
    warning = f"⚠ {in_words(record.warning)}" if record.warnings else ""
    return " · ".join(filter(None, (warning, took, record.message)))


def _size(count: int) -> str:
    """Return the size of a file as text.

    Examples
    --------
    >>> _size(21_300), _size(21_300_000), _size(2_130_000_000)
    ('21 kB', '21.3 MB', '2.13 GB')
    """
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
