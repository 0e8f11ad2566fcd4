"""The format's processing steps as steps of this program."""

from __future__ import annotations

from collections.abc import Sequence
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
    Threshold,
    Whole,
)
from napari_unet_nuclei.core.model.packages.tensors import Given, Tensor

UNDERSTOOD = (
    "scale_range, scale_linear, zero_mean_unit_variance, fixed_zero_mean_unit_variance, clip, sigmoid, binarize and "
    "ensure_dtype"
)

AnyStep: TypeAlias = Linear | Clip | Threshold | Sigmoid | Whole | Range | Standard | ClipRange
_STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)


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
        return [_STEP.validate_python(step) for step in _read(name, given, tensor)]
    except (ValidationError, TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise ModelFileError(
            f"The step '{name}' of '{tensor.name}' has values that make no sense: {dict(given)}."
        ) from error


def _read(name: str, given: Given, tensor: Tensor) -> list[AnyStep]:
    match name:
        case "scale_linear":
            gain, offset = _along(given, "gain", 1.0, tensor), _along(given, "offset", 0.0, tensor)
            gain, offset = _as_long(gain, offset)
            pairs = list(zip(gain, offset, strict=True))
            return [Linear(subtracted=tuple(-o / g for g, o in pairs), divisor=tuple(1 / g for g in gain))]
        case "fixed_zero_mean_unit_variance":
            return [_fixed(given, tensor, 0.0)]
        case "zero_mean_unit_variance":
            if given.get("mode") == "fixed":
                return [_fixed(given, tensor, float(given.get("eps", 1e-6)))]
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
            return _clip(given, tensor)
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
        f"The model asks for the processing step '{name}'{_kind(name, given)}, which is not understood. Understood are "
        f"{UNDERSTOOD}; a step may also be made part of the network."
    )


def _kind(name: str, given: Given) -> str:
    return f" ({given.get('dtype')})" if name == "ensure_dtype" else ""


def _fixed(given: Given, tensor: Tensor, eps: float) -> Linear:
    mean, std = _as_long(_along(given, "mean", None, tensor), _along(given, "std", None, tensor))
    return Linear(subtracted=mean, divisor=tuple(one + eps for one in std))


def _clip(given: Given, tensor: Tensor) -> list[AnyStep]:
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
