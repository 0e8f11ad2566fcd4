from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.samples import fluorescent_nuclei


@pytest.fixture
def pixels() -> np.ndarray:
    """A small image of nuclei."""
    return fluorescent_nuclei().image[:160, :200]
