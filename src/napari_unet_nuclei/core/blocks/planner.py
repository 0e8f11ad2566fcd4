"""Looks at an image as a whole before its blocks are worked on: model, channel, intensities, size of the nuclei."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from napari_unet_nuclei.core.blocks.maps import find_scale
from napari_unet_nuclei.core.blocks.plan import BlockPlan, block_side
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.io.ome_zarr_labels import leading_order
from napari_unet_nuclei.core.image.kind import colour_light, possible_looks
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, open_plane
from napari_unet_nuclei.core.model.number_format import cpu_number_format
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.nuclei import given_diameter
from napari_unet_nuclei.core.segment.predict import chosen_thresholds, thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run, hash_pixels
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import checked_region, deciding_plane, look_at_image, notices_of_look

HALO_DIAMETERS = 8
"""Nuclei are measured where they are seen whole: so many diameters beyond a block they seldom reach."""

SMALLEST_HALO = 128
"""Pixels, where the block is not smaller."""

WITHOUT_EFFECT = {"device", "tile"}
"""Settings that do not show in the labels."""


class Planner:
    """Looks at an image as a whole.

    Parameters
    ----------
    request : SegmentRequest
    block : int
        Wanted side of a block in pixels.
    pixels_in : Path or None
        File or folder that holds the image's pixels, where they are in one.
    series : int
        Which image of the file.
    channel_names : tuple of str

    Raises
    ------
    NucleiError
        If the request cannot be done, or not in blocks.

    Attributes
    ----------
    entry : ModelEntry
        The model that was asked for, or the one for this kind of image.
    fingerprint : str
    """

    def __init__(
        self, request: SegmentRequest, block: int, pixels_in: Path | None, series: int, channel_names: tuple[str, ...]
    ) -> None:
        source = request.source
        self.request = request
        self.series = series
        self.channel_names = channel_names
        self.side = block_side(block)
        self.region = checked_region(request)
        self.indices = tuple(source.plane_indices(request.plane))
        if not self.indices or len(request.plane) > len(source.leading_axes):
            raise ImageShapeError(
                f"There is no plane {request.plane} in an image of shape {tuple(source.array.shape)}."
            )
        if self.region[0] == self.region[1] or self.region[2] == self.region[3]:
            raise ImageShapeError("There are no pixels to segment: give an image, or a region, that has some.")
        self.entry = default_registry().find(request.model)
        if self.entry.card.task != "instances":
            raise SettingsError(
                f"The model '{self.entry.name}' tells classes, which is not done in blocks: choose a model for nuclei."
            )
        self._deciding = deciding_plane(request, self.indices, self.region)
        self._channels = self._channels_read()
        self._file_hash = hash_image(pixels_in) if pixels_in else ""
        self.fingerprint = self._fingerprint()

    def _channels_read(self) -> tuple[int, ...]:
        """Channels that the readings of the image need; refuses an image that has none that can be read."""
        request, inputs = self.request, self.entry.card.network_inputs
        looks = possible_looks(
            request.source, self._deciding, self.region, request.channel, request.settings.kind, inputs
        )
        return tuple(sorted({channel for look in looks for channel in look.channels}))

    def _fingerprint(self) -> str:
        request = self.request
        described = {
            "program": version("napari-unet-nuclei"),
            "series": self.series,
            "channels": self.channel_names,
            "image": self._file_hash or hash_pixels(request.source, [self._deciding], self._channels, self.region),
            "shape": list(request.source.array.shape),
            "axes": request.source.axes,
            "indices": self.indices,
            "region": self.region,
            "pixel_size": [request.pixel_size.y, request.pixel_size.x],
            "model": self.entry.card.model_dump(mode="json", exclude={"name", "description"}),
            "settings": request.settings.model_dump(exclude=WITHOUT_EFFECT),
            "side": self.side,
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    def plan(self, runner: NetworkRunner, progress: Progress) -> BlockPlan:
        """Measure the image, and decide.

        Parameters
        ----------
        runner : NetworkRunner
            Of `entry`'s model.
        progress : Progress
        """
        request, settings = self.request, self.request.settings
        source = request.source
        chosen = look_at_image(request, self._deciding, self.region, runner, progress)
        look, runner = chosen.look, runner.for_kind(chosen.look.kind)
        card = runner.card
        readers = [open_plane(source, index, self.region, look, card.percentiles) for index in self.indices]
        scale, diameter = self._size(readers[self.indices.index(self._deciding)], runner, progress, chosen.estimate)
        order = leading_order(source.leading_axes)
        return BlockPlan(
            fingerprint=self.fingerprint,
            file=str(Path(request.file).resolve()) if request.file else "",
            series=self.series,
            axes=source.axes,
            channel_names=self.channel_names,
            pixel_size=(request.pixel_size.y, request.pixel_size.x),
            label_shape=(*(source.leading_shape[axis] for axis in order), *source.plane_shape),
            label_axes="".join(source.leading_axes[axis] for axis in order) + "YX",
            indices=self.indices,
            places=tuple(tuple(index[axis] for axis in order) for index in self.indices),
            region=self.region,
            look=look,
            light=colour_light(source, self._deciding, self.region, look.kind),
            sure=chosen.sure,
            ranges=tuple(reader.ranges for reader in readers),
            fill=tuple(reader.fill for reader in readers),
            complete=tuple(reader.complete for reader in readers),
            scale=scale,
            thresholds=chosen_thresholds(thresholds_at(card, scale), settings),
            model_thresholds=thresholds_at(card, scale),
            settings=settings,
            precision=request.number_format or cpu_number_format(),
            side=self.side,
            halo=min(max(round(HALO_DIAMETERS * diameter), SMALLEST_HALO), self.side),
            model=card.name,
            channel=look.name,
            diameter=diameter,
            notices=tuple(self._notices(look, readers)),
            provenance={
                **describe_run(request, card, look, runner.device, diameter, readers),
                "file_hash": self._file_hash,
            },
        )

    def _size(
        self, reader: PlaneReader, runner: NetworkRunner, progress: Progress, estimate: float
    ) -> tuple[float, float]:
        """Return model pixels per image pixel, and the diameter of a nucleus in image pixels."""
        card = runner.card
        if self.request.settings.diameter_auto and card.tells_size:
            return find_scale(reader, runner, progress, estimate)
        diameter = given_diameter(self.request, card.diameter)
        return scale_for(diameter, card.diameter), diameter

    def _notices(self, look: PlaneLook, readers: list[PlaneReader]) -> list[str]:
        """What the user should know of the image as a whole."""
        notices = list(notices_of_look(look, readers, self.request.settings))
        if look.kind not in self.entry.card.kinds:
            kind = self.entry.card.image_kind
            notices.append(f"The model '{self.entry.name}' was made for {kind} images; check the result.")
        return notices
