"""Which image labels belong to: the one they were segmented from, else the one they are named after, else ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels, image_under
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, SEGMENTED_FROM, pictures_in, pixel_checksum

if TYPE_CHECKING:
    from napari import Viewer

CHOSEN_KEY = "image of the nuclei"
"""Key in a labels layer's metadata: unique id of the image that the user chose for it."""


def images_of_size(viewer: Viewer, labels: Labels) -> list[Image]:
    """List the images that have a pixel for every pixel of labels: first those in the same place, the topmost first."""
    places: dict[Image, bool] = {}
    for layer in reversed(pictures_in(viewer)):
        try:
            places[layer] = image_under(layer, describe_labels(labels)).displaced
        except NucleiError:
            continue
    return sorted(places, key=lambda image: places[image])


def image_of(viewer: Viewer, labels: Labels) -> Image | None:
    """Find the image that labels belong to; None if there is none, or only the user can tell which of several."""
    fitting = images_of_size(viewer, labels)
    chosen = labels.metadata.get(CHOSEN_KEY)
    made = _segmented_from(labels)
    named = sorted(
        (image for image in fitting if labels.name.startswith(image.name)), key=lambda image: -len(image.name)
    )
    likely = [
        *(image for image in fitting if image.unique_id == chosen),
        *(image for image in fitting if str(image.unique_id) == made.get("id")),
        *(image for image in fitting if image.name == made.get("name")),
        *named,
        *(fitting if len(fitting) == 1 else ()),
    ]
    return next(iter(likely), None)


def choose_image(labels: Labels, image: Image) -> None:
    """Remember, for all docks, the image that the user chose for labels."""
    labels.metadata = {**labels.metadata, CHOSEN_KEY: image.unique_id}


def pairing_doubt(labels: Labels, image: Image) -> str:
    """Return why labels may not belong to an image, as a sentence; empty if nothing speaks against it."""
    made = _segmented_from(labels)
    if made and str(image.unique_id) != made["id"] and image.name != made["name"]:
        return f"These labels were segmented from '{made['name']}', not from '{image.name}'."
    if is_exchanged(labels, image):
        return f"'{image.name}' holds other pixels than those that were segmented. Segment it again?"
    return ""


def is_exchanged(labels: Labels, image: Image) -> bool:
    """Return whether an image holds other pixels than those that labels were segmented from, as far as is known."""
    known = _segmented_from(labels).get("checksum", 0)
    arrays = list(image.data) if image.multiscale else [image.data]
    # Of lazy images nothing is known: reading them here would block the window.
    return known != 0 and all(pixel_checksum(array) not in (0, known) for array in arrays)


def exchanged_image(viewer: Viewer, labels: Labels) -> Image | None:
    """Find the image that labels were segmented from if it holds other pixels now, also of another size."""
    made = _segmented_from(labels)
    images = pictures_in(viewer)
    same = [image for image in images if str(image.unique_id) == made.get("id")]
    named = [image for image in images if image.name == made.get("name")]
    return next((image for image in (same or named)[:1] if is_exchanged(labels, image)), None)


def labels_over(viewer: Viewer, labels: Labels) -> list[Labels]:
    """List the visible labels that were segmented from the same part of the same image."""
    place = _place(labels)
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and layer != labels and layer.visible and _overlap(_place(layer), place)
    ]


_Place = tuple[str, tuple[int, ...], tuple[int, ...]]
"""Id of the image, and the first and last index in it along leading axes, Y and X."""


def _place(labels: Labels) -> _Place:
    stored, made = labels.metadata.get(METADATA_KEY, {}), _segmented_from(labels)
    if not made or "origin" not in stored:
        return "", (), ()
    origin = tuple(stored["origin"])
    shape = describe_labels(labels).shape
    return made["id"], origin, tuple(first + length for first, length in zip(origin, shape, strict=False))


def _overlap(one: _Place, other: _Place) -> bool:
    (image, *_), (same, *_) = one, other
    pairs = zip(one[1], one[2], other[1], other[2], strict=False)
    return image != "" and image == same and all(a < d and c < b for a, b, c, d in pairs)


def _segmented_from(labels: Labels) -> dict[str, Any]:
    made: dict[str, Any] = labels.metadata.get(METADATA_KEY, {}).get(SEGMENTED_FROM, {})
    return made
