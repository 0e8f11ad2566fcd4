from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label

from napari_unet_nuclei.core.labels.export import parts
from napari_unet_nuclei.core.labels.export.parts import nuclei_in_parts


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "SIDE", 3)
    monkeypatch.setattr(parts, "MARGIN", 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-1, 3)))
def test_every_nucleus_is_seen_once_and_whole(drawn):
    labels = label(np.maximum(drawn, 0))
    together = np.zeros_like(labels)
    seen: list[int] = []
    for part, (top, left) in nuclei_in_parts(zarr.array(labels), ()):
        seen += np.unique(part[part != 0]).tolist()
        together[top : top + part.shape[0], left : left + part.shape[1]] += part
    assert sorted(seen) == np.unique(labels[labels > 0]).tolist()
    np.testing.assert_array_equal(together, np.maximum(labels, 0))
