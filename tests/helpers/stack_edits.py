"""Apply edits of volumes without a window."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.edit.volume import StackEdit


def applied(labels: np.ndarray, edit: StackEdit) -> np.ndarray:
    """Return labels (Z, Y, X) after an edit that was planned for them."""
    after = labels.copy()
    for z, one in edit.planes.items():
        for patch in one.patches:
            y0, y1, x0, x1 = patch.region
            assert np.array_equal(after[z, y0:y1, x0:x1], patch.before)
            after[z, y0:y1, x0:x1] = patch.after
    return after
