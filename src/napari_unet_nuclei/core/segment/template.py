"""A request without its image, for all images of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.projection import projected
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import NumberFormat, Region


@dataclass(frozen=True)
class RequestTemplate:
    """What is asked of every file of a run: a `SegmentRequest` without its image.

    Attributes
    ----------
    axes : str
        One letter per axis, in place of what the file says; empty to believe the file.
    plane : mapping of str to int
        Index by letter of a leading axis; axes that are not named are segmented whole. The empty letter stands for
        the only leading axis.
    number_format : NumberFormat or None
        Of the network on processors, the same for all images and computers of a run; None until the run has chosen.
    """

    settings: SegmentSettings = field(default_factory=SegmentSettings)
    model: str = AUTOMATIC
    axes: str = ""
    plane: Mapping[str, int] = field(default_factory=dict)
    region: Region | None = None
    series: int = 0
    number_format: NumberFormat | None = None

    def request(self, file: ImageFile) -> SegmentRequest:
        """Ask for the nuclei of a file.

        Raises
        ------
        ImageShapeError
            If the axes do not fit the image, or if it has no such plane or no depth to project.
        """
        request = SegmentRequest(
            source=file.source(self.axes),
            settings=self.settings,
            model=self.model,
            region=self.region,
            pixel_size=file.pixel_size,
            file=str(file.path),
            number_format=self.number_format,
            remarks=file.all_remarks(self.axes),
        )
        request = projected(request)
        return replace(request, plane=chosen_plane(request.source, self.plane))


def chosen_plane(source: ImageSource, plane: Mapping[str, int]) -> tuple[int | None, ...]:
    """Bring a choice of planes into the order of an image's leading axes, None for all planes of one.

    Raises
    ------
    ImageShapeError
        If the image has no such axis or plane, or if it is not clear which axis is meant.

    Examples
    --------
    >>> import numpy as np
    >>> chosen_plane(ImageSource(np.zeros((5, 4, 8, 8)), "TZYX"), {"Z": 3})
    (None, 3)
    """
    axes = source.leading_axes
    have = f"it has the axes {source.axes} of lengths {tuple(source.array.shape)}"
    if plane and not axes:
        raise ImageShapeError("The image is a single plane without further axes, so choosing one has no effect.")
    if "" in plane and len(axes) != 1:
        raise ImageShapeError(f"The image has not one but {len(axes)} axes to choose a plane from: {have}.")
    wanted = {letter or axes: index for letter, index in plane.items()}
    for letter, index in wanted.items():
        if axes.count(letter) != 1 or index >= source.leading_shape[axes.index(letter)]:
            raise ImageShapeError(f"The image has no plane {letter}={index}: {have}.")
    return tuple(wanted.get(letter) for letter in axes) if wanted else ()
