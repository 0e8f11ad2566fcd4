"""The packages of the extra ``bioimageio``, imported when a model from elsewhere, or for elsewhere, needs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from napari_unet_nuclei.core.errors import ModelFileError

EXTRA = "bioimageio"


def extra_module(name: str, purpose: str) -> ModuleType:
    """Import a module of the extra; raise ModelFileError, in words, if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelFileError(
            f"{purpose} needs packages that are not installed. Install them with "
            f'pip install "napari-unet-nuclei[{EXTRA}]".'
        ) from error
