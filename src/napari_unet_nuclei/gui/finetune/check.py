"""Check the choice before a run: how many nuclei train and judge the model, and what cannot be used and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_unet_nuclei.core.corrections.correction import Correction, hash_image
from napari_unet_nuclei.core.corrections.index import CorrectionEntry
from napari_unet_nuclei.core.corrections.store import list_corrections, read_correction
from napari_unet_nuclei.core.errors import NoSamplesError, NucleiError
from napari_unet_nuclei.core.finetune.hold_out import FEWEST_NUCLEI, count_nuclei, count_parts
from napari_unet_nuclei.core.finetune.kept import as_kind, open_input, own_labels
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.train.layouts import list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.types import Labels, Mask
from napari_unet_nuclei.gui.finetune.rows import Row

Key = Row | str
"""A plane of open layers, or the name of a saved correction."""

SHORT_KINDS: dict[ImageKind, str] = {"fluorescence": "bright on dark", "brightfield": "dark on bright"}
"""Kinds of image, short enough for the list."""

WHAT_TO_DO = "It is left out until you choose how it is read, correct its labels, or tick it anyway."

NOTHING_CHOSEN = "Tick at least one row with corrected nuclei."
SAME_IMAGE = "'{}' is the same image as '{}', so the same nuclei would train and judge the model: untick one of them."


@dataclass(frozen=True)
class Asked:
    """A choice to check: what is ticked, and what a run would be given with it."""

    drawn: Mapping[Row, Correction | NucleiError]
    """Corrections of open layers; the error where one cannot be used."""
    ticked: frozenset[Key]
    form: InputForm
    seed: int
    folder: Path
    """Folder of saved corrections."""
    reference: Path | None = None
    kinds: Mapping[str, ChosenKind] = field(default_factory=dict)
    """Kinds of image that the user chose for saved corrections."""
    watched: frozenset[Key] = frozenset()
    """Saved corrections to check although they are not ticked."""


@dataclass(frozen=True)
class Found:
    """Outcome for a row or a saved correction."""

    nuclei: int = 0
    problem: str = ""
    """Why it cannot be used; empty where it can."""
    reviewed: bool = True
    """False where the only problem is that nothing was marked as reviewed."""
    kind: ImageKind | None = None
    doubt: str = ""
    """Why its image may be read wrongly, or may not belong to the labels; empty if all is well."""

    @property
    def reading(self) -> str:
        """How its image is read, for the list."""
        if self.kind is None:
            return ""
        return f"⚠ {SHORT_KINDS[self.kind]}" if self.doubt else SHORT_KINDS[self.kind]

    @property
    def sentence(self) -> str:
        """What is wrong and what to do about it; empty if all is well."""
        if self.problem or not self.doubt:
            return self.problem
        return f"{self.doubt[0].upper()}{self.doubt[1:]}. {WHAT_TO_DO}"

    @property
    def text(self) -> str:
        """Number of nuclei or problem, for the list."""
        if not self.problem:
            return quantity(self.nuclei, "nucleus", "nuclei")
        return "⚠ cannot be used" if self.reviewed else "not reviewed"


@dataclass(frozen=True)
class Outlook:
    """Outcome of a check: what a run would learn from, and the number of nuclei that train and judge."""

    rows: Mapping[Key, Found] = field(default_factory=dict)
    entries: tuple[CorrectionEntry, ...] = ()
    """Saved corrections, except for those whose image is open in a ticked row."""
    training: int = 0
    judging: int = 0
    problem: str = NOTHING_CHOSEN
    """Why nothing can be run; empty if it can."""

    @property
    def sentence(self) -> str:
        """Number of nuclei that train and judge, as a sentence."""
        if self.problem:
            return ""
        text = f"{quantity(self.training, 'nucleus', 'nuclei')} to learn from, {self.judging:,} held out to judge with."
        if self.judging < FEWEST_NUCLEI:
            text += f" With fewer than {FEWEST_NUCLEI} to judge with, nobody can tell whether the model got better."
        return text


@dataclass(frozen=True)
class _Plane:
    """Labels as they are learned, and where they can be trusted."""

    labels: Labels
    reviewed: Mask | None
    group: str


class Checker:
    """Check choices; files and hashes of unchanged images are read only once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, InputForm, ChosenKind | None], tuple[_Plane, Found]] = {}
        self._hashes: dict[Row, tuple[object, str, str]] = {}
        """Array under a row's plane, name of its correction, and hash."""

    def check(self, asked: Asked, progress: Progress) -> Outlook:
        """Check a choice; it runs in a thread of its own, one check after the other."""
        found: dict[Key, Found] = {}
        planes: dict[Key, _Plane] = {}
        open_images: set[str] = set()
        for row, drawn in asked.drawn.items():
            progress.report(Advanced(0.0, "counting"))
            if isinstance(drawn, NucleiError):
                found[row] = Found(problem=str(drawn), reviewed=not isinstance(drawn, NoSamplesError))
                continue
            planes[row], found[row] = _examined(drawn, asked.form)
            if row in asked.ticked:
                open_images.add(self._hash(row, drawn))
        # The others are forgotten, as hashes keep their arrays in memory.
        self._hashes = {row: known for row, known in self._hashes.items() if row in asked.ticked}
        try:
            entries = tuple(entry for entry in list_corrections(asked.folder) if entry.image_hash not in open_images)
        except NucleiError as error:
            return Outlook(found, problem=str(error))
        names: dict[str, str] = {}
        for entry in (entry for entry in entries if entry.name in asked.ticked | asked.watched):
            progress.report(Advanced(0.0, "counting"))
            ticked = entry.name in asked.ticked
            # What is only watched takes no image from others.
            first = names.setdefault(entry.image_hash, entry.name) if ticked else entry.name
            if first != entry.name:
                found[entry.name] = Found(problem=SAME_IMAGE.format(entry.name, first))
                continue
            try:
                planes[entry.name], found[entry.name] = self._saved(asked, entry)
            except NucleiError as error:
                found[entry.name] = Found(problem=str(error))
        return _with_counts(Outlook(found, entries), asked, planes)

    def _saved(self, asked: Asked, entry: CorrectionEntry) -> tuple[_Plane, Found]:
        """Read a saved correction, once."""
        kind = asked.kinds.get(entry.name)
        # By the name of a file, not of the correction: only the former changes with the contents.
        key = (entry.labels, asked.form, kind)
        if key not in self._read:
            correction = read_correction(asked.folder, entry.name)
            self._read[key] = _examined(correction if kind is None else as_kind(correction, kind), asked.form)
        return self._read[key]

    def _hash(self, row: Row, drawn: Correction) -> str:
        """Hash an image, once for as long as it is the same plane of the same array."""
        # The plane is another view at every check; what stays is the array under it.
        base, name, digest = self._hashes.get(row, (None, "", ""))
        if base is None or base is not getattr(drawn.image, "base", None) or name != drawn.name:
            base, digest = getattr(drawn.image, "base", None), hash_image(drawn.image)
            self._hashes[row] = (base, drawn.name, digest)
        return digest


def _with_counts(outlook: Outlook, asked: Asked, planes: Mapping[Key, _Plane]) -> Outlook:
    """Count the nuclei of all ticked lines, or state why nothing can be run."""
    chosen = [key for key in outlook.rows if key in asked.ticked]
    if not chosen:
        return outlook
    problem = next((outlook.rows[key].problem for key in chosen if outlook.rows[key].problem), "")
    if problem:
        return replace(outlook, problem=problem)
    try:
        if asked.reference is not None:
            list_entries(asked.reference)
        training, judging = count_parts([planes[key] for key in chosen], asked.seed)
    except NucleiError as error:
        return replace(outlook, problem=str(error))
    return replace(outlook, training=training, judging=judging, problem="")


def _examined(correction: Correction, form: InputForm) -> tuple[_Plane, Found]:
    """Count the reviewed nuclei, and determine how a model reads the image, or why it cannot."""
    plane = _Plane(own_labels(correction), correction.reviewed, correction.stack)
    count = count_nuclei(plane)
    try:
        reader, doubt = open_input(correction, form)
    except NucleiError as error:
        return plane, Found(count, str(error))
    return plane, Found(count, kind=reader.look.kind, doubt=doubt)
