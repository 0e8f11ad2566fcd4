"""Find models: bundled ones in the package, the user's own in the platform's data folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import ModelFileError, OutputFileError, SettingsError, UnknownModelError
from napari_unet_nuclei.core.files.atomic import atomic, half_written
from napari_unet_nuclei.core.files.lock import locked
from napari_unet_nuclei.core.model.card import LONGEST_NAME, ModelCard, check_model_name, read_card
from napari_unet_nuclei.core.model.header import copy_renamed
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.progress import Progress, Silent

if TYPE_CHECKING:
    from napari_unet_nuclei.core.model.file import Model

BUNDLED = Path(__file__).parent / "weights"
FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_MODELS"
SUFFIX = ".safetensors"
PACKAGE_SUFFIX = ".zip"
"""Of BioImage.IO packages."""

DEFAULT = "nuclei"
"""The bundled model."""

FORMER_NAMES = {"nuclei-fluorescence": DEFAULT, "nuclei-stained": DEFAULT}
"""Replacements of bundled models of earlier versions, which settings, commands and cards may still name."""

AUTHORS = ("The napari-unet-nuclei developers",)
"""Of the bundled models."""

AUTOMATIC = "automatic"
BEST = "best"
"""Stands for the base model of a fine-tuning that does best on the corrected nuclei."""

RESERVED_NAMES = (AUTOMATIC, BEST)
"""Keywords accepted in place of a model's name."""


@dataclass(frozen=True)
class ModelEntry:
    """One model file and its card; ``bundled`` models are part of the program and cannot be removed."""

    path: Path
    card: ModelCard
    bundled: bool

    @property
    def name(self) -> str:
        """Name in the pickers."""
        return self.card.name

    @property
    def origin(self) -> str:
        """Origin in one word."""
        return "bundled" if self.bundled else "yours"


@dataclass(frozen=True)
class ModelRegistry:
    """The models of one computer.

    Attributes
    ----------
    own : Path
        Folder of the user's models; created when the first one is added.
    bundled : Path
        Folder of the bundled models.
    """

    own: Path
    bundled: Path = BUNDLED

    def list(self) -> tuple[ModelEntry, ...]:
        """Return all readable models, bundled ones first; skip damaged files in the user's folder."""
        entries = []
        for folder in (self.bundled, self.own):
            for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):  # not the hidden files that are still being written
                try:
                    entries.append(ModelEntry(path, read_card(path), folder == self.bundled))
                except ModelFileError:
                    continue
        return tuple(entries)

    def find(self, name: str) -> ModelEntry:
        """Find a model by name, or a model file by path; `AUTOMATIC` stands for the bundled one.

        Raises
        ------
        UnknownModelError
            If there is neither; the message lists the installed models.
        ModelFileError
            If the file cannot be used.
        """
        if name == AUTOMATIC:
            return self._automatic()
        path = Path(name)
        # "model 1.5" is a name although it looks like a file with a suffix: a path must exist or have a separator.
        if path.suffix and (os.path.exists(path) or os.sep in name):  # noqa: PTH110  # too long a name is none
            return ModelEntry(path, read_card(path), bundled=False)
        entries = self.list()
        # A user's own model with a former name takes precedence over its replacement.
        for wanted in (name, FORMER_NAMES.get(name, name)):
            for entry in entries:
                if entry.name == wanted:
                    return entry
        names = ", ".join(entry.name for entry in entries) or "none"
        raise UnknownModelError(f"There is no model '{name}'. Installed: {names}; or give the path of a model file.")

    def _automatic(self) -> ModelEntry:
        """Return the first model for nuclei, which is the bundled one if it is installed."""
        entries = [entry for entry in self.list() if entry.card.task == "instances"]
        if not entries:
            raise UnknownModelError(
                "No model for nuclei is installed. Install the package again, or import a model file."
            )
        return entries[0]

    def holder(self, name: str) -> ModelEntry | None:
        """Return the model with a name, ignoring case, or None if the name is free."""
        return next((entry for entry in self.list() if entry.name.casefold() == name.casefold()), None)

    def free_name(self, name: str) -> str:
        """Return the name if it is free, else the name with the first number that makes it free."""
        return next(proposal for proposal in _numbered(name) if self.holder(proposal) is None)

    def add(self, path: Path, name: str = "", progress: Progress | None = None) -> ModelEntry:
        """Copy a model into the user's folder, under its own name or another one.

        Parameters
        ----------
        path : Path
            A model file (``.safetensors``), or a BioImage.IO package (``.zip``), which needs the extra ``bioimageio``.
        name : str
            By default the name on its card, or in the package.
        progress : Progress, optional
            Receives, as notices, what was guessed about a package.

        Raises
        ------
        ModelFileError
            If the file is damaged or unusable, or the name is taken or invalid.
        OutputFileError
            If it cannot be written.
        """
        if path.suffix.lower() != PACKAGE_SUFFIX:
            return self._add(path, name, path.name)
        # Both import PyTorch.
        from napari_unet_nuclei.core.model.file import save_model
        from napari_unet_nuclei.core.model.packages.read import read_package

        with TemporaryDirectory() as folder:
            made = Path(folder) / f"{path.name}{SUFFIX}"
            save_model(made, read_package(path, progress or Silent()))
            return self._add(made, name, path.name)

    def _add(self, path: Path, name: str, given: str) -> ModelEntry:
        """Copy a model file; ``given`` is what its user calls it."""
        from napari_unet_nuclei.core.model.file import read_model  # imports PyTorch

        card = read_model(path).card  # read whole, so that every model that is listed can be used
        chosen = _checked_name(name or card.name)
        # Two imports of one name at the same moment would both find it free.
        with locked(self.own):
            self._remove_remains()
            holder = self.holder(chosen)
            if holder is not None and holder.card == card:
                raise ModelFileError(f"'{holder.name}' is installed already: {given} is the same model.")
            if holder is not None:
                raise ModelFileError(
                    f"Another model named '{holder.name}' is installed already. Import this one under another name, "
                    f"such as '{self.free_name(chosen)}'."
                )
            target = self._free_path(chosen)
            with atomic(target) as temporary:
                if chosen == card.name:
                    shutil.copyfile(path, temporary)
                else:
                    copy_renamed(path, temporary, chosen)
            return ModelEntry(target, read_card(target), bundled=False)

    def export(self, name: str, path: Path, notes: PackageNotes | None = None) -> None:
        """Copy a model to a file, for sharing, or write it as a BioImage.IO package for other programs.

        Parameters
        ----------
        name : str
            Of an installed model.
        path : Path
            Ends in ``.safetensors``, or in ``.zip`` for a package, which needs the extra ``bioimageio``.
        notes : PackageNotes, optional
            Authors and licence of a package.

        Raises
        ------
        UnknownModelError
            If there is no such model.
        ModelFileError
            If it cannot be written as a package: no authors or licence are said, or it came from elsewhere.
        OutputFileError
            If the path has another suffix, lies in a folder of installed models, or cannot be written.
        """
        entry = self.find(name)
        package = path.suffix.lower() == PACKAGE_SUFFIX
        if path.suffix != SUFFIX and not package:
            raise OutputFileError(
                f"{path} ends neither in {SUFFIX} nor in {PACKAGE_SUFFIX} (BioImage.IO): choose another name."
            )
        if notes is not None and not package:
            raise OutputFileError(f"Authors and licence are said in BioImage.IO packages only ({PACKAGE_SUFFIX}).")
        if path.parent.resolve() in (self.own.resolve(), self.bundled.resolve()):
            raise OutputFileError(f"{path.parent} is the folder of the installed models: choose another folder.")
        if package:
            # Both import PyTorch.
            from napari_unet_nuclei.core.model.file import read_model
            from napari_unet_nuclei.core.model.packages.write import write_package

            said = notes or PackageNotes()
            if entry.bundled and not said.authors:
                said = said.model_copy(update={"authors": AUTHORS})
            write_package(path, read_model(entry.path), said)
            return
        with atomic(path) as temporary:
            shutil.copyfile(entry.path, temporary)

    def rename(self, name: str, new: str) -> ModelEntry:
        """Rename one of the user's models; its weights and their hash do not change.

        Raises
        ------
        UnknownModelError
            If there is no such model.
        ModelFileError
            If the model is bundled, or the new name is taken or invalid.
        OutputFileError
            If it cannot be written.
        """
        entry, chosen = self._own_entry(name), _checked_name(new)
        if chosen == entry.name:
            return entry
        with locked(self.own):
            self._remove_remains()
            holder = self.holder(chosen)
            # The same model may get the same name in another case.
            if holder is not None and holder.path != entry.path:
                raise ModelFileError(f"A model named '{holder.name}' is installed already: choose another name.")
            # In its own place first: were there two files for a moment, a kill would leave the model there twice.
            with atomic(entry.path) as temporary:
                copy_renamed(entry.path, temporary, chosen)
            target = self._free_path(chosen)
            try:
                entry.path.rename(target)
            except OSError:  # open in another program: the card has the new name, which is what counts
                target = entry.path
            return ModelEntry(target, read_card(target), bundled=False)

    def remove(self, name: str) -> None:
        """Delete one of the user's models.

        Raises
        ------
        UnknownModelError
            If there is no such model.
        ModelFileError
            If the model is bundled, or the file cannot be deleted.
        """
        _delete(self._own_entry(name))

    def _own_entry(self, name: str) -> ModelEntry:
        entry = self.find(name)
        if entry.bundled:
            raise ModelFileError(f"'{name}' is part of the program, so it cannot be changed.")
        if entry.path.parent != self.own:
            raise ModelFileError(f"'{name}' is not one of your own models, so it cannot be changed.")
        return entry

    def _remove_remains(self) -> None:
        """Delete what killed imports left half-written; the folder is locked, so nothing of it is in use."""
        for path in half_written(self.own, SUFFIX):
            path.unlink(missing_ok=True)

    def _free_path(self, name: str) -> Path:
        """Return an unused path for a model: no file is ever replaced."""
        paths = (self.own / f"{stem}{SUFFIX}" for stem in _numbered(name))
        return next(path for path in paths if not path.exists())


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, then the name followed by 2, 3 and so on."""
    yield name
    for number in count(2):
        ending = f" {number}"
        yield name[: LONGEST_NAME - len(ending)] + ending


def _checked_name(name: str) -> str:
    """Return a name without surrounding blanks; raise ModelFileError if it is not valid."""
    stripped = name.strip()
    try:
        check_model_name(stripped)
    except SettingsError as error:
        raise ModelFileError(str(error)) from error
    if stripped.casefold() in RESERVED_NAMES:
        raise ModelFileError(f"'{stripped}' is a reserved name: choose another one.")
    return stripped


def _delete(entry: ModelEntry) -> None:
    try:
        entry.path.unlink()
    except OSError as error:
        raise ModelFileError(
            f"'{entry.name}' was not removed: {error.strerror or error}. Close the programs that use it, and check "
            f"your permissions for {entry.path.parent}."
        ) from error


def default_registry() -> ModelRegistry:
    """Return this computer's registry; the environment variable ``NAPARI_UNET_NUCLEI_MODELS`` moves its folder."""
    own = os.environ.get(FOLDER_VARIABLE)
    return ModelRegistry(Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "models")


@checked
def load_model(name: str | Path = DEFAULT, registry: ModelRegistry | None = None) -> Model:
    """Load a model by name or path.

    Parameters
    ----------
    name : str or Path
        Name of an installed model, or path of a ``.safetensors`` file.
    registry : ModelRegistry, optional
        Where to look for the name; the models installed on this computer if not given.

    Returns
    -------
    Model
        Card and network.

    Raises
    ------
    UnknownModelError, ModelFileError
        If there is no such model, or its file cannot be used.

    Examples
    --------
    >>> from napari_unet_nuclei import load_model
    >>> model = load_model("nuclei")
    >>> model.card.name, model.card.task
    ('nuclei', 'instances')
    """
    from napari_unet_nuclei.core.model.file import read_model  # PyTorch is imported when a model is first needed

    return read_model((registry or default_registry()).find(str(name)).path)
