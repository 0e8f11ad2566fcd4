"""From the tensors of a description to how an ONNX graph is called: sizes, processing steps, and which map is which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.image.steps import (
    Clip,
    ClipRange,
    Linear,
    Pointwise,
    Range,
    Sigmoid,
    Standard,
    Step,
    Steps,
    Threshold,
    Whole,
)
from napari_unet_nuclei.core.model.onnx_design import (
    DECODED_MAPS,
    MapName,
    OnnxDesign,
    OnnxOutput,
    OutputMap,
    SideRule,
)
from napari_unet_nuclei.core.model.packages.tensors import Given, Tensor, Tensors
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

UNDERSTOOD = (
    "scale_range, scale_linear, zero_mean_unit_variance, fixed_zero_mean_unit_variance, clip, sigmoid, binarize and "
    "ensure_dtype"
)

AnyStep: TypeAlias = Linear | Clip | Threshold | Sigmoid | Whole | Range | Standard | ClipRange
_STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)


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


def preprocessing_of(tensor: Tensor) -> tuple[AnyStep, ...]:
    """Return the steps that prepare an input; raise ModelFileError if one is not understood."""
    steps = list(tensor.steps)
    # The format says of what type images come. Ours come as they are, and larger numbers than that must not be cut.
    if steps and steps[0][0] == "ensure_dtype" and steps[0][1].get("dtype") == tensor.dtype:
        steps = steps[1:]
    return tuple(step for name, given in steps for step in _taken(name, given, tensor))


def postprocessing_of(tensor: Tensor) -> tuple[tuple[Pointwise, ...], ...]:
    """Return, for each channel of an output, the steps that make a map of it; raise ModelFileError as above."""
    taken: list[Pointwise] = []
    for name, given in tensor.steps:
        if name == "ensure_dtype" and given.get("dtype") == "bool" and taken and isinstance(taken[-1], Threshold):
            continue  # 0 and 1 already
        for step in _taken(name, given, tensor):
            if isinstance(step, Range | Standard | ClipRange):
                raise ModelFileError(
                    f"The output's step '{name}' measures the whole map, which is never there at once: large images "
                    "are worked on in tiles. Export the model without it; maps from 0 to 1 need none."
                )
            taken.append(step)
    return tuple(tuple(_of_channel(step, channel) for step in taken) for channel in range(len(tensor.channels)))


def _taken(name: str, given: Given, tensor: Tensor) -> list[AnyStep]:
    """Return one step of the format as steps of this program."""
    try:
        return [_STEP.validate_python(step) for step in _read_step(name, given, tensor)]
    except (ValidationError, TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise ModelFileError(
            f"The step '{name}' of '{tensor.name}' has values that make no sense: {dict(given)}."
        ) from error


def _read_step(name: str, given: Given, tensor: Tensor) -> list[AnyStep]:
    match name:
        case "scale_linear":
            gain, offset = _along(given, "gain", 1.0, tensor), _along(given, "offset", 0.0, tensor)
            gain, offset = _as_long(gain, offset)
            pairs = list(zip(gain, offset, strict=True))
            return [Linear(subtracted=tuple(-o / g for g, o in pairs), divisor=tuple(1 / g for g in gain))]
        case "fixed_zero_mean_unit_variance":
            return [_fixed_step(given, tensor, 0.0)]
        case "zero_mean_unit_variance":
            if given.get("mode") == "fixed":
                return [_fixed_step(given, tensor, float(given.get("eps", 1e-6)))]
            return [Standard(eps=given.get("eps", 1e-6), together=_together(name, given, tensor))]
        case "scale_range":
            if given.get("reference_tensor") not in (None, tensor.name):
                raise ModelFileError(
                    f"The step '{name}' of '{tensor.name}' takes its range from another tensor "
                    f"('{given['reference_tensor']}'). Export the model with a range of its own."
                )
            low, high = given.get("min_percentile", 0.0), given.get("max_percentile", 100.0)
            together = _together(name, given, tensor)
            return [Range(low=low, high=high, eps=given.get("eps", 1e-6), together=together)]
        case "clip":
            return _clip_steps(given, tensor)
        case "binarize":
            return [Threshold(values=_along(given, "threshold", None, tensor))]
        case "sigmoid":
            return [Sigmoid()]
        case "ensure_dtype":
            dtype = str(given.get("dtype"))
            if dtype in ("float16", "float32", "float64"):
                return []
            if dtype != "bool":
                return [Whole.model_validate({"dtype": dtype})]
    raise ModelFileError(
        f"The model asks for the processing step '{name}'{_dtype_text(name, given)}, which is not understood. "
        f"Understood are {UNDERSTOOD}; a step may also be made part of the network."
    )


def _dtype_text(name: str, given: Given) -> str:
    return f" ({given.get('dtype')})" if name == "ensure_dtype" else ""


def _fixed_step(given: Given, tensor: Tensor, eps: float) -> Linear:
    mean, std = _as_long(_along(given, "mean", None, tensor), _along(given, "std", None, tensor))
    return Linear(subtracted=mean, divisor=tuple(one + eps for one in std))


def _clip_steps(given: Given, tensor: Tensor) -> list[AnyStep]:
    steps: list[AnyStep] = []
    low, high = given.get("min_percentile"), given.get("max_percentile")
    if low is not None or high is not None:
        together = _together("clip", given, tensor)
        steps.append(ClipRange(low=low or 0.0, high=100.0 if high is None else high, together=together))
    if given.get("min") is not None or given.get("max") is not None:
        limits = (None if given.get(end) is None else (float(given[end]),) for end in ("min", "max"))
        lowest, highest = limits
        steps.append(Clip(low=lowest, high=highest))
    return steps


def _along(given: Given, name: str, default: float | None, tensor: Tensor) -> tuple[float, ...]:
    """Read one value, or one for each channel."""
    value: Any = given.get(name)
    value = default if value is None else value
    if not isinstance(value, Sequence):
        return (float(value),)
    values = tuple(float(one) for one in value)
    axis = tensor.axis("c")
    said = given.get("axis")
    if len(values) not in (1, len(tensor.channels)) or (said is not None and axis is not None and said != axis.name):
        raise ModelFileError(
            f"'{name}' of a processing step has {len(values)} values, but '{tensor.name}' has {len(tensor.channels)} "
            "channels. One for each channel, or one for all, can be imported."
        )
    return values


def _as_long(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    length = max(len(one), len(other))
    return tuple(one * length)[:length], tuple(other * length)[:length]


def _together(name: str, given: Given, tensor: Tensor) -> bool:
    """Tell whether a step measures all channels as one; it must measure whole planes."""
    said = given.get("axes")
    if said is None:
        return True
    by_name = {axis.name: axis.letter for axis in tensor.axes} | {axis.letter: axis.letter for axis in tensor.axes}
    letters = {by_name.get(str(one), "?") for one in said}
    if not {"y", "x"} <= letters:
        raise ModelFileError(
            f"The step '{name}' of '{tensor.name}' measures rows or columns by themselves. Only steps that measure "
            "whole planes (y and x) can be imported."
        )
    return "c" in letters


def _of_channel(step: Pointwise, channel: int) -> Pointwise:
    """Return a step with the values of one channel alone."""
    values = {name: (value[channel],) for name, value in step if isinstance(value, tuple) and len(value) > 1}
    return step.model_copy(update=values)
