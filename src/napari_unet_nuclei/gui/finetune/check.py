"""Finds out before a run what it would learn from: how many nuclei teach and judge, or why something cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from napari_unet_nuclei.core.train.layouts import list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.types import Labels, Mask
from napari_unet_nuclei.gui.finetune.rows import Row

Key = Row | str
"""A plane of open layers, or the name of a kept correction."""

SHORT_KINDS: dict[ImageKind, str] = {"fluorescence": "bright on dark", "brightfield": "dark on bright"}
"""Kinds of image as a list has room for them."""

WHAT_TO_DO = "It is not learnt from until you choose how it is read, correct its labels, or tick it all the same."

NOTHING_CHOSEN = "Tick at least one row with corrected nuclei."
SAME_IMAGE = "'{}' is the same image as '{}', so nuclei that teach would judge as well: untick one of them."


@dataclass(frozen=True)
class Asked:
    """What is to be found out.

    Attributes
    ----------
    drawn : mapping
        Planes of open layers by their rows; the error, where one cannot be used.
    ticked : frozenset
        Rows, and names of kept corrections, that are to be learnt from.
    form : InputForm
        What the model takes.
    seed : int
        Decides which nuclei judge.
    folder : Path
        Where corrections are kept.
    reference : Path, optional
        Where labelled images for the comparison are.
    kinds : mapping
        Kinds of image that the user chose for kept corrections.
    watched : frozenset
        Names of kept corrections that are looked at although they are not ticked.
    """

    drawn: Mapping[Row, Correction | NucleiError]
    ticked: frozenset[Key]
    form: InputForm
    seed: int
    folder: Path
    reference: Path | None = None
    kinds: Mapping[str, ChosenKind] = field(default_factory=dict)
    watched: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class Found:
    """What was found out of a row or of a kept correction.

    Attributes
    ----------
    nuclei : int
        Reviewed ones.
    problem : str
        Why it cannot be used; empty where it can.
    reviewed : bool
        False where it only waits for somebody to say what was reviewed.
    kind : {"fluorescence", "brightfield"}, optional
        How its image is read; None where nobody knows yet.
    doubt : str
        Why that may be wrong, or labels and image may not belong together; empty where all is well.
    """

    nuclei: int = 0
    problem: str = ""
    reviewed: bool = True
    kind: ImageKind | None = None
    doubt: str = ""

    @property
    def reading(self) -> str:
        """How its image is read, in a few words."""
        if self.kind is None:
            return ""
        return f"⚠ {SHORT_KINDS[self.kind]}" if self.doubt else SHORT_KINDS[self.kind]

    @property
    def sentence(self) -> str:
        """What is wrong, and what can be done about it; empty where all is well."""
        if self.problem or not self.doubt:
            return self.problem
        return f"{self.doubt[0].upper()}{self.doubt[1:]}. {WHAT_TO_DO}"

    @property
    def text(self) -> str:
        """How it stands with it, in a few words."""
        if not self.problem:
            return count_text(self.nuclei)
        return "⚠ cannot be used" if self.reviewed else "not reviewed"


@dataclass(frozen=True)
class Outlook:
    """What a run would learn from.

    Attributes
    ----------
    rows : mapping
        By row, or by the name of a kept correction.
    entries : tuple of CorrectionEntry
        What is kept, but for what is open in a ticked row.
    training, judging : int
        Nuclei.
    problem : str
        Why nothing can be run; empty where it can.
    """

    rows: Mapping[Key, Found] = field(default_factory=dict)
    entries: tuple[CorrectionEntry, ...] = ()
    training: int = 0
    judging: int = 0
    problem: str = NOTHING_CHOSEN

    @property
    def sentence(self) -> str:
        """How many nuclei teach and judge, for people."""
        if self.problem:
            return ""
        text = f"{count_text(self.training)} to learn from, {self.judging:,} held out to judge with."
        if self.judging < FEWEST_NUCLEI:
            text += f" With fewer than {FEWEST_NUCLEI} to judge with, nobody can tell whether the model got better."
        return text


@dataclass(frozen=True)
class _Plane:
    """Labels as they are learnt, and where they can be trusted."""

    labels: Labels
    reviewed: Mask | None


def count_text(count: int) -> str:
    """Return a number of nuclei for people."""
    return "1 nucleus" if count == 1 else f"{count:,} nuclei"


@dataclass(frozen=True)
class _Reading:
    """How an image is read, why that may be wrong, or why it cannot be read."""

    kind: ImageKind | None = None
    doubt: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Hashed:
    """Hash of a plane: of which array, and what the plane is called."""

    base: object
    name: str
    digest: str


class Checker:
    """Answers what is asked; it remembers what it has read from disk, and how images look that are still the same."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, InputForm, ChosenKind | None], tuple[_Plane, _Reading]] = {}
        self._hashes: dict[Row, _Hashed] = {}

    def job(self, asked: Asked) -> Callable[[Progress], Outlook]:
        """Return the job that finds out, for a thread."""

        def job(progress: Progress) -> Outlook:
            return self._find_out(asked, progress)

        return job

    def _find_out(self, asked: Asked, progress: Progress) -> Outlook:
        found: dict[Key, Found] = {}
        planes: dict[Key, _Plane] = {}
        open_images: set[str] = set()
        for row, drawn in asked.drawn.items():
            progress.report(Advanced(0.0, "counting"))
            if isinstance(drawn, NucleiError):
                found[row] = Found(problem=str(drawn), reviewed=not isinstance(drawn, NoSamplesError))
                continue
            planes[row] = _Plane(own_labels(drawn), drawn.reviewed)
            reading = _read(drawn, asked.form)
            count = count_nuclei(planes[row])
            found[row] = Found(count, reading.problem, kind=reading.kind, doubt=reading.doubt)
            if row in asked.ticked:
                open_images.add(self._hash(row, drawn))
        self._hashes = {row: known for row, known in self._hashes.items() if row in asked.ticked}
        try:
            entries = tuple(entry for entry in list_corrections(asked.folder) if entry.image_hash not in open_images)
        except NucleiError as error:
            return Outlook(found, problem=str(error))
        names: dict[str, str] = {}
        for entry in (entry for entry in entries if entry.name in asked.ticked | asked.watched):
            progress.report(Advanced(0.0, "counting"))
            ticked = entry.name in asked.ticked
            first = names.setdefault(entry.image_hash, entry.name) if ticked else entry.name
            if first != entry.name:
                found[entry.name] = Found(problem=SAME_IMAGE.format(entry.name, first))
                continue
            try:
                planes[entry.name], reading = self._kept(asked, entry)
                count = count_nuclei(planes[entry.name])
                found[entry.name] = Found(count, reading.problem, kind=reading.kind, doubt=reading.doubt)
            except NucleiError as error:
                found[entry.name] = Found(problem=str(error))
        return _summed(Outlook(found, entries), asked, planes)

    def _kept(self, asked: Asked, entry: CorrectionEntry) -> tuple[_Plane, _Reading]:
        """Read a kept correction; the names of its files change with what is in them."""
        kind = asked.kinds.get(entry.name)
        key = (entry.labels, asked.form, kind)
        if key not in self._read:
            correction = read_correction(asked.folder, entry.name)
            told = correction if kind is None else as_kind(correction, kind)
            self._read[key] = _Plane(own_labels(correction), correction.reviewed), _read(told, asked.form)
        return self._read[key]

    def _hash(self, row: Row, drawn: Correction) -> str:
        """Hash an image once, for as long as it is the same plane of the same array."""
        known = self._hashes.get(row)
        base = getattr(drawn.image, "base", None)
        if known is None or base is None or known.base is not base or known.name != drawn.name:
            known = self._hashes[row] = _Hashed(base, drawn.name, hash_image(drawn.image))
        return known.digest


def _summed(outlook: Outlook, asked: Asked, planes: Mapping[Key, _Plane]) -> Outlook:
    """Count the parts of all that is ticked, or say why nothing can be run."""
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


def _read(correction: Correction, form: InputForm) -> _Reading:
    """Find out how an image is read, or why a model cannot read it."""
    try:
        reader, doubt = open_input(correction, form)
    except NucleiError as error:
        return _Reading(problem=str(error))
    return _Reading(reader.look.kind, doubt)
