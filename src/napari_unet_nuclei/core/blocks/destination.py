"""Where the labels of an image are made, and where they go when they are whole."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.blocks.stages import LABELS
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.io.ome_zarr import OmeZarrImage
from napari_unet_nuclei.core.image.io.ome_zarr_labels import labels_place, list_labels, read_provenance
from napari_unet_nuclei.core.image.io.zarr_store import archive_of, is_remote
from napari_unet_nuclei.core.segment.request import SegmentRequest

NAME = "nuclei"
"""Of the labels within an image."""


@dataclass(frozen=True)
class Destination:
    """Where labels are made, and where they go when they are whole.

    Attributes
    ----------
    labels : Path
        The store to be.
    folder : Path
        What is under way.
    image : OmeZarrImage or None
        The image that the labels go into, where they do.
    """

    labels: Path
    folder: Path
    image: OmeZarrImage | None = None

    @staticmethod
    def of(request: SegmentRequest, out: Path, into_image: bool) -> Destination:
        """Choose the places; raise where labels may not be written."""
        image = request.store
        if into_image:
            if image is None:
                raise OutputFileError("Only OME-Zarr images can hold their labels: write them beside the image.")
            if is_remote(image.path) or archive_of(image.path):
                raise OutputFileError("Labels go only into images that lie in folders: write them beside the image.")
            # Beside the image, on the same disk: moving a folder is one step only there, and viewers list what lies
            # in the image as if it were whole.
            file = Path(request.file).resolve()
            return Destination(labels_place(image, NAME), file.with_name(f".{file.name}-{NAME}.part"), image)
        if out.suffix.lower() != ".zarr":
            raise OutputFileError(f"{out}: labels of this size are written as OME-Zarr. Let the name end in .ome.zarr.")
        labels = out.resolve()
        if image is not None and labels.is_relative_to(image.path.resolve()):
            raise OutputFileError(f"{out} lies in the image: choose another place, or ask for labels in the image.")
        return Destination(labels, labels.with_name(f".{labels.name}.part"))

    @property
    def made(self) -> Path:
        """The labels while they are being made."""
        return self.folder / LABELS

    @property
    def lock(self) -> Path:
        """File that keeps other runs out while this one makes the labels."""
        return self.folder.with_suffix(".lock")

    @property
    def is_begun(self) -> bool:
        """True where an earlier run has left labels, or is on the way to them."""
        return self.labels.exists() or self.folder.exists()

    def check_free(self, overwrite: bool) -> None:
        """Raise where foreign labels, or labels that may not be overwritten, lie already."""
        if not self.labels.exists():
            return
        if read_provenance(self.labels) is None:
            raise OutputFileError(f"{self.labels} is there already, and not of this program: choose another name.")
        if not overwrite:
            raise OutputFileError(
                f"{self.labels} is there already, from another image, model or settings. Choose another name, or "
                "let it be overwritten."
            )

    def clear(self) -> None:
        """Remove what is left of other work."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def move(self) -> None:
        """Put the whole labels in their place in one step."""
        if self.labels.exists():
            # A folder cannot be renamed onto another. The old one goes aside, for deleting it takes long, and a run
            # that is killed meanwhile would leave half of it where the labels belong.
            old = self.folder / "replaced"
            if old.exists():
                shutil.rmtree(old)
            self.labels.rename(old)
        self.labels.parent.mkdir(parents=True, exist_ok=True)
        self.made.rename(self.labels)

    def finish(self) -> None:
        """Enter labels that are in their place into the image's list, and remove what they were made of."""
        if self.image is not None:
            list_labels(self.image, NAME)
        self.clear()
