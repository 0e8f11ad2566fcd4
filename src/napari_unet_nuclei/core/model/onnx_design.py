"""How a network from elsewhere, an ONNX graph, is to be called: axes, sizes, halo, steps before and after it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from napari_unet_nuclei.core.image.steps import Pointwise, Steps
from napari_unet_nuclei.core.model.part import Part

MapName = Literal["foreground", "border", "distance"]
DECODED_MAPS: tuple[MapName, ...] = ("foreground", "border", "distance")

LARGEST_SIDE = 4096
"""Pixels; larger fixed inputs, strides and margins are refused."""

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Axes = Annotated[str, Field(pattern=r"^[bctzyx]{2,6}$", description="Batch, channel, time, z, y and x, in order.")]


class SideRule(Part):
    """Which sizes an input may have along an axis: ``least`` and, with a ``step``, every multiple of it more."""

    least: Side
    step: int = Field(0, ge=0, le=LARGEST_SIDE, description="0 for one size only.")

    def allowed(self, size: int) -> int:
        """Return the smallest allowed size that is not below ``size``; the only one if there is one only.

        Examples
        --------
        >>> [SideRule(least=64, step=16).allowed(size) for size in (3, 64, 70)], SideRule(least=64).allowed(99)
        ([64, 64, 80], 64)
        """
        if not self.step:
            return self.least
        return self.least + max(-(-(size - self.least) // self.step), 0) * self.step


class OutputMap(Part):
    """One channel of an output: which map it is, if any, and the steps that make probabilities of it."""

    name: MapName | None
    steps: tuple[Pointwise, ...] = ()


class OnnxOutput(Part):
    """One output of the graph."""

    axes: Axes
    maps: tuple[OutputMap, ...] = Field(min_length=1, max_length=64, description="One per channel.")


class OnnxDesign(Part):
    """How an ONNX graph is called; takes the place of an `Architecture` on a card.

    Attributes
    ----------
    halo : int
        Pixels at every edge of the output that are not to be trusted.
    lost : int
        Pixels at every edge of the input that the output does not have.
    """

    runtime: Literal["onnx"] = "onnx"
    in_channels: int = Field(1, ge=1, le=64)
    axes: Axes = "bcyx"
    rows: SideRule
    columns: SideRule
    halo: int = Field(0, ge=0, le=LARGEST_SIDE)
    lost: int = Field(0, ge=0, le=LARGEST_SIDE)
    preprocessing: Steps = Steps(())
    outputs: tuple[OnnxOutput, ...] = Field(min_length=1, max_length=8)

    @field_validator("axes")
    @classmethod
    def _plane_once(cls, axes: str) -> str:
        if not {"y", "x"} <= set(axes) or len(set(axes)) < len(axes):
            raise ValueError("the input needs the axes y and x, and none twice")
        return axes

    @model_validator(mode="after")
    def _maps_suffice(self) -> OnnxDesign:
        names = [one.name for output in self.outputs for one in output.maps if one.name]
        if not {"foreground", "border"} <= set(names) or len(set(names)) < len(names):
            raise ValueError("one map of foreground and one of borders are needed, and none twice")
        if "c" not in self.axes and self.in_channels > 1:
            raise ValueError("an input of several channels needs an axis for them")
        if self.stride < 1 or self.stride > LARGEST_SIDE:
            raise ValueError("halo and sizes leave no pixels that can be used")
        return self

    @property
    def described(self) -> dict[str, str]:
        """What people may want to know of it, by title."""
        sizes = [
            f"{one.least} + n × {one.step}" if one.step else f"{one.least} exactly" for one in (self.rows, self.columns)
        ]
        given = [one.name for output in self.outputs for one in output.maps if one.name]
        return {
            "runs with": "ONNX Runtime, on the processor; cannot be fine-tuned",
            "prepared by": ", then ".join(one.step for one in self.preprocessing.root)
            or "nothing: intensities as they are",
            "input channels": str(self.in_channels),
            "input sizes": f"{sizes[0]} high, {sizes[1]} wide",
            "halo": f"{self.halo} px",
            "maps": ", ".join(given),
        }

    @property
    def heads(self) -> tuple[MapName, ...]:
        """Maps that come of it; where no distance is given, the foreground stands for it."""
        return DECODED_MAPS

    @property
    def classes(self) -> int:
        """Number of classes: none, for nuclei alone."""
        return 0

    @property
    def margin(self) -> int:
        """Pixels that are read on every side beyond those that are used."""
        return self.halo + self.lost

    @property
    def stride(self) -> int:
        """Sides of inputs and origins of tiles are multiples of it, so that all tiles show the network the same.

        Of networks that take one size only it is what is used of that.
        """
        step = math.lcm(*(rule.step for rule in (self.rows, self.columns) if rule.step))
        fixed = [rule.least - 2 * self.margin for rule in (self.rows, self.columns) if not rule.step]
        return min(fixed) // step * step if fixed else step

    @property
    def receptive_radius(self) -> int:
        """Pixels beyond a tile that are read with it: what the package calls the halo."""
        return self.margin
