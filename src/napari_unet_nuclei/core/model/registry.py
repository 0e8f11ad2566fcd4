"""Where models are found: the bundled ones in the package, the user's own in the platform's data folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from napari_unet_nuclei.core.atomic import atomic
from napari_unet_nuclei.core.errors import ModelFileError, UnknownModelError
from napari_unet_nuclei.core.model.card import ModelCard, read_card

if TYPE_CHECKING:
    from napari_unet_nuclei.core.model.file import Model

BUNDLED = Path(__file__).parent / "weights"
FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_MODELS"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelEntry:
    """One model file and its card; ``bundled`` models came with the program and cannot be removed."""

    path: Path
    card: ModelCard
    bundled: bool

    @property
    def name(self) -> str:
        """Name in the pickers."""
        return self.card.name


@dataclass(frozen=True)
class ModelRegistry:
    """The models of one computer.

    Attributes
    ----------
    own : Path
        Folder of the user's models; made when the first one is added.
    bundled : Path
        Folder of the models that came with the program.
    """

    own: Path
    bundled: Path = BUNDLED

    def list(self) -> tuple[ModelEntry, ...]:
        """All readable models, bundled ones first; a damaged file in the user's folder is passed over."""
        entries = []
        for folder in (self.bundled, self.own):
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                try:
                    entries.append(ModelEntry(path, read_card(path), folder == self.bundled))
                except ModelFileError:
                    continue
        return tuple(entries)

    def find(self, name: str) -> ModelEntry:
        """Find a model by its name, or take a model file by its path.

        Raises
        ------
        UnknownModelError
            If there is neither; the message names the models there are.
        ModelFileError
            If the file cannot be used.
        """
        path = Path(name)
        if path.suffix and (path.exists() or os.sep in name):
            return ModelEntry(path, read_card(path), bundled=False)
        entries = self.list()
        for entry in entries:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in entries) or "none"
        raise UnknownModelError(f"There is no model '{name}'. Installed: {names}; or give the path of a model file.")

    def for_kind(self, kind: str) -> ModelEntry:
        """Find the bundled model for a kind of image, or the first one there is.

        Raises
        ------
        UnknownModelError
            If no model is installed at all.
        """
        entries = self.list()
        if not entries:
            raise UnknownModelError("No model is installed. Install the package again, or import a model file.")
        return next((entry for entry in entries if entry.bundled and entry.card.image_kind == kind), entries[0])

    def add(self, path: Path) -> ModelEntry:
        """Copy a model file into the user's folder, under its card's name.

        Raises
        ------
        ModelFileError
            If the file cannot be used or a model of that name is there already.
        """
        card = read_card(path)
        if any(entry.name == card.name for entry in self.list()):
            raise ModelFileError(f"A model named '{card.name}' is installed already. Rename or remove it first.")
        target = self.own / f"{card.name}{SUFFIX}"
        with atomic(target) as temporary:
            shutil.copyfile(path, temporary)
        return ModelEntry(target, card, bundled=False)

    def remove(self, name: str) -> None:
        """Delete one of the user's models.

        Raises
        ------
        UnknownModelError
            If there is no such model.
        ModelFileError
            If it came with the program.
        """
        entry = self.find(name)
        if entry.path.parent != self.own:
            raise ModelFileError(f"'{name}' is not one of your own models, so it stays.")
        entry.path.unlink()


def default_registry() -> ModelRegistry:
    """Return the registry of this computer; the environment variable ``NAPARI_UNET_NUCLEI_MODELS`` moves its folder."""
    own = os.environ.get(FOLDER_VARIABLE)
    return ModelRegistry(Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "models")


def load_model(name: str = "nuclei-fluorescence", registry: ModelRegistry | None = None) -> Model:
    """Load a model by name or path.

    Parameters
    ----------
    name : str
        Name of an installed model, or path of a ``.safetensors`` file.
    registry : ModelRegistry, optional
        That of this computer where not given.

    Returns
    -------
    Model
        Card and network.

    Raises
    ------
    UnknownModelError, ModelFileError
        If there is no such model or its file cannot be used.
    """
    from napari_unet_nuclei.core.model.file import read_model  # PyTorch is imported when a model is first needed

    return read_model((registry or default_registry()).find(name).path)
