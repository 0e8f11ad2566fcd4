"""What was set by hand and decides what is found: said before a run, so that nothing is carried over unseen."""

from __future__ import annotations

from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.settings.threshold_panel import TITLES


def not_automatic(settings: SegmentSettings, model: str) -> str:
    """Name the kind of image, the model and the thresholds that are not automatic; empty where all are.

    Parameters
    ----------
    settings : SegmentSettings
    model : str
        As it was chosen.

    Examples
    --------
    >>> not_automatic(SegmentSettings().changed(kind="brightfield", foreground=0.62), "automatic")
    'Not automatic: dark nuclei on bright, foreground 0.62.'
    """
    parts = [KIND_NAMES[settings.kind]] if settings.kind != "auto" else []
    parts += [f"model {model}"] if model != AUTOMATIC else []
    parts += [
        f"{title.split(' (')[0].lower()} {getattr(settings, name):g}"
        for name, title in TITLES.items()
        if not getattr(settings, f"{name}_auto")
    ]
    return f"Not automatic: {', '.join(parts)}." if parts else ""
