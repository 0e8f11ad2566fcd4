"""From the tensors of a description to how an ONNX graph is called, and which of its maps is which."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.image.steps import Steps
from napari_unet_nuclei.core.model.onnx_design import (
    DECODED_MAPS,
    MapName,
    OnnxDesign,
    OnnxOutput,
    OutputMap,
    SideRule,
)
from napari_unet_nuclei.core.model.packages.steps import postprocessing_of, preprocessing_of
from napari_unet_nuclei.core.model.packages.tensors import Tensor, Tensors
from napari_unet_nuclei.core.progress import Notice
from napari_unet_nuclei.core.settings_base import first_problem

LEAST_HALO = 32
"""Pixels that tiles overlap by where a package states no halo: networks look further than one pixel."""

SHARE_OF_FIXED = 8
"""The same for inputs of one size: an eighth of it at each end."""

NAMES: dict[MapName, frozenset[str]] = {
    "distance": frozenset(("distance", "distances", "dist", "edt")),
    "border": frozenset(
        ("boundary", "boundaries", "border", "borders", "outline", "outlines", "contour", "contours", "edge", "edges")
    ),
    "foreground": frozenset(
        ("foreground", "fg", "nuclei", "nucleus", "nuclear", "interior", "inside", "object", "objects", "mask", "cell")
    ),
}
"""Words by which maps are told; a "distance to the border" is a distance, and a "nuclear border" a border."""

WANTED = (
    "Maps of foreground and boundary are needed, from 0 to 1, and a normalised distance if there is one: name the "
    "channels so (foreground, boundary, distance)."
)


@dataclass(frozen=True)
class Understood:
    """A design, and what was guessed on the way; a warning where that may be wrong."""

    design: OnnxDesign
    remarks: tuple[Notice, ...]


def understand(tensors: Tensors) -> Understood:
    """Find out how a graph is called; raise ModelFileError, which says what would work, if it cannot be."""
    source = tensors.input
    rows, columns = _plane(source)
    names, remarks = _names(tensors.outputs)
    lost = {axis.lost for output in tensors.outputs for axis in output.axes if axis.letter in "yx"}
    if len(lost) > 1:
        raise ModelFileError("The model's maps lack different margins of the image. Export it with one margin for all.")
    for output in tensors.outputs:
        if not {"y", "x"} <= set(output.letters):
            raise ModelFileError(f"The output '{output.name}' is no picture: it has no axes y and x. {WANTED}")
    halo = max(axis.halo for output in tensors.outputs for axis in output.axes)
    if not halo:
        sides = [rule.least for rule in (rows, columns) if not rule.step]
        halo = min(LEAST_HALO, *(side // SHARE_OF_FIXED for side in sides)) if sides else LEAST_HALO
        remarks = (*remarks, Notice(f"The package states no halo: tiles overlap by {halo} pixels at each side."))
    outputs, left = [], list(names)
    for output in tensors.outputs:
        channels = postprocessing_of(output)
        maps = tuple(OutputMap(name=left.pop(0), steps=steps) for steps in channels)
        outputs.append(OnnxOutput(axes=output.letters, maps=maps))
    try:
        design = OnnxDesign(
            in_channels=len(source.channels),
            axes=source.letters,
            rows=rows,
            columns=columns,
            halo=halo,
            lost=lost.pop(),
            preprocessing=Steps(preprocessing_of(source)),
            outputs=tuple(outputs),
        )
    except ValidationError as error:
        raise ModelFileError(f"The model cannot be imported: {first_problem(error)}.") from error
    return Understood(design, remarks)


def _plane(source: Tensor) -> tuple[SideRule, SideRule]:
    """Return the sizes of an input that is one plane."""
    for letter in "zt":
        axis = source.axis(letter)
        if axis is not None and axis.rule is not None and axis.rule.least != 1:
            what = "volumes" if letter == "z" else "movies"
            raise ModelFileError(
                f"The model takes {what}. Only models for planes can be imported; they find nuclei in stacks as "
                "well, in three directions."
            )
    y, x = source.axis("y"), source.axis("x")
    if y is None or x is None or y.rule is None or x.rule is None:
        raise ModelFileError(f"The input '{source.name}' is no picture: it has no axes y and x.")
    return y.rule, x.rule


def _names(outputs: tuple[Tensor, ...]) -> tuple[tuple[MapName | None, ...], tuple[Notice, ...]]:
    """Find out which channel of the outputs is which map: by name, else by order where their number leaves no doubt."""
    said: list[str] = []
    for output in outputs:
        only = len(output.channels) == 1
        said += [_title(name, output.name if only else "") for name in output.channels]
    found = [_map_of(name) for name in said]
    if not any(found):
        if len(found) not in (2, 3):
            raise ModelFileError(f"The model gives {len(found)} maps, none of which says what it is. {WANTED}")
        guessed = DECODED_MAPS[: len(found)]
        listed = f"{', '.join(guessed[:-1])} and {guessed[-1]}"
        order = f"The maps have no names: they were taken to be {listed}, in this order. Check the first result."
        return tuple(guessed), (Notice(order, warning=True),)
    known = [name for name in found if name]
    if len(set(known)) < len(known) or not {"foreground", "border"} <= set(known):
        listed = ", ".join(f"'{name}'" for name in said)
        raise ModelFileError(f"The model gives the maps {listed}, of which nuclei cannot be told apart. {WANTED}")
    unused = [name for name, one in zip(said, found, strict=True) if one is None]
    return tuple(found), (Notice(f"Maps that are not used: {', '.join(unused)}."),) if unused else ()


def _title(name: str, tensor: str) -> str:
    return name if _map_of(name) or not tensor else tensor


def _map_of(name: str) -> MapName | None:
    words = set(re.findall("[a-z]+", name.lower()))
    return next((one for one, known in NAMES.items() if words & known), None)
