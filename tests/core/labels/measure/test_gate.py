from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.measure.gate import Gate

TABLE = pd.DataFrame({"label": [1, 2, 3, 4], "red and green_mean": [1.0, 2.0, np.nan, 4.0], "area_px": [5, 6, 7, 8]})


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("area_px > 6", [False, False, True, True]),
        ("area_px >= 6", [False, True, True, True]),
        ("area_px<6.5", [True, True, False, False]),
        ("area_px <= 6e0 and area_px > 5", [False, True, False, False]),
        ("red and green_mean > 1.5", [False, True, False, True]),
        ("red and green_mean > 1.5 AND area_px < 8", [False, True, False, False]),
        ("area_px > -1", [True, True, True, True]),
    ],
)
def test_a_gate_is_read_from_text_and_empty_cells_lie_outside(text, holds):
    gate = Gate.of(text)
    assert gate.holds(TABLE).tolist() == holds
    assert Gate.of(str(gate)) == gate


@pytest.mark.parametrize("text", ["", "area_px", "area_px > many", "> 5", "area_px = 5", "area_px > 5 or area_px < 3"])
def test_what_is_no_gate_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match=r"is not a gate.*GFP_mean > 500"):
        Gate.of(text)


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(SettingsError, match=r"'GFP_mean'.*It has red and green_mean, area_px"):
        Gate.of("GFP_mean > 5").holds(TABLE)
