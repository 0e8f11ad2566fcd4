"""Classes of nuclei in files: what is written is read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.classify import class_file
from napari_unet_nuclei.core.labels.classify.class_file import read_classes, write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses

TABLE = pd.DataFrame({"area_px": [90, 95, 30, 35], "GFP_mean": [5.0, np.nan, 8.0, 9.5]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "classes.json"
    write_classes(path, NucleusClasses.taught(TABLE, ["große", "große", "small", "small"]))
    return path


def test_classes_tell_the_same_when_they_are_read_again(path):
    classes = read_classes(path)
    assert classes.counts == {"große": 2, "small": 2}
    before = NucleusClasses.taught(TABLE, ["große", "große", "small", "small"])
    pd.testing.assert_frame_equal(classes.tell(TABLE), before.tell(TABLE))
    np.testing.assert_array_equal(classes.values, before.values)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"names": ["a"]}, "names"),
        ({"names": ["a", "a"]}, "do not belong together"),
        ({"coefficients": [[1.0], [2.0]]}, "do not belong together"),
        ({"example_values": [[1.0, 2.0]]}, "do not belong together"),
        ({"example_classes": [0, 0, 0, 0]}, "do not belong together"),
        ({"example_classes": [0, 0, 1, 9]}, "example_classes"),
        ({"colours": ["red", "#000000"]}, "colours"),
        ({"version": 2}, "version"),
        ({"format": "other"}, "format"),
        ({"more": 1}, "more"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(path, changed, reason):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changed), encoding="utf-8")
    with pytest.raises(SettingsError, match=reason):
        read_classes(path)


def test_a_file_that_is_missing_no_json_or_too_large_is_refused(path, monkeypatch):
    with pytest.raises(SettingsError, match="No such file"):
        read_classes(path.with_name("other.json"))
    monkeypatch.setattr(class_file, "LARGEST", 10)
    with pytest.raises(SettingsError, match="larger than"):
        read_classes(path)
    monkeypatch.undo()
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(SettingsError, match="cannot be read as classes"):
        read_classes(path)
