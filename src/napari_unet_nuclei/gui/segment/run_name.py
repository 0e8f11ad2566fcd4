"""Say in a layer's name how a run differs from the one before it."""

from __future__ import annotations

from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.settings.threshold_panel import TITLES

THRESHOLDS = {f"{name}{suffix}" for name in TITLES for suffix in ("", "_auto")}
"""Settings that a slider changes in the same layer."""

WITHOUT_NAME = {*THRESHOLDS, "device", "tile"}
"""Settings that are not worth a name."""


def is_same_run(one: SegmentRequest, other: SegmentRequest) -> bool:
    """Return whether two requests differ in thresholds at most."""
    same_pixels = one.source.array is other.source.array and one.source.axes == other.source.axes
    same_part = (one.plane, one.region) == (other.plane, other.region)
    return same_pixels and same_part and one.model == other.model and _rest(one.settings) == _rest(other.settings)


def what_differs(before: SegmentRequest, now: SegmentRequest) -> str:
    """Return what a run changes against the one before it, to be appended to a name; empty for nothing to tell."""
    parts = [] if now.model == before.model else ["automatic model" if now.model == AUTOMATIC else now.model]
    changed = {name for name, value in now.settings.model_dump().items() if getattr(before.settings, name) != value}
    named = _names(now.settings)
    for name in sorted(changed - WITHOUT_NAME):
        setting = name.removesuffix("_auto").removesuffix("_unit")
        parts.append(named.get(setting, f"{setting.replace('_', ' ')} {getattr(now.settings, setting)}"))
    if (now.plane, now.region) != (before.plane, before.region):
        parts.append(_part(now))
    return "".join(f", {part}" for part in dict.fromkeys(parts))


def _rest(settings: SegmentSettings) -> dict[str, object]:
    return {name: value for name, value in settings.model_dump().items() if name not in THRESHOLDS}


def _names(settings: SegmentSettings) -> dict[str, str]:
    """Return the value of each setting in words; other settings are told by their own names."""
    size = "automatic size" if settings.diameter_auto else f"{settings.diameter:g} {settings.diameter_unit}"
    return {
        "kind": KIND_NAMES.get(settings.kind, "automatic kind"),
        "channel": "automatic channel" if settings.channel_auto else str(settings.channel),
        "diameter": size,
        "flips": "mirror images averaged" if settings.flips else "no mirror images",
    }


def _part(request: SegmentRequest) -> str:
    if request.region is not None:
        return "current view"
    pairs = zip(request.source.leading_axes.lower(), request.plane, strict=False)
    return " ".join(f"{letter}={index}" for letter, index in pairs if index is not None) or "whole image"
