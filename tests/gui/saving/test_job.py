"""Labels that lie on disk are saved part by part, as those in memory are saved."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels

from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.gui.saving import job
from napari_unet_nuclei.gui.saving.job import KINDS, paths_of, save_job, take_down
from tests.helpers.samples import fluorescent_nuclei

LABELS = fluorescent_nuclei(0, (60, 70), 10.0, 8).labels


def saved(folder: Path, labels: object) -> dict[str, Path]:
    folder.mkdir()
    layer = Labels(labels, name="nuclei")
    saving = take_down(layer, [], np.zeros(2), CellSettings(cell=2.0, distance_unit="px"))
    kinds = [kind for kind in KINDS if kind in ("rois", "geojson")]
    paths = paths_of(PlannedFile(Path("nuclei"), folder, "nuclei"), kinds, has_cells=True)
    save_job(saving, paths)(Silent())
    return paths


def test_outlines_and_cells_of_labels_on_disk_are_those_of_labels_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = saved(tmp_path / "memory", LABELS)
    monkeypatch.setattr("napari_unet_nuclei.core.labels.export.export.SIDE", 32)
    read: list[int] = []
    blocks = da.from_array(LABELS, chunks=16).map_blocks(lambda block: read.append(block.size) or block, dtype=int)
    monkeypatch.setattr(job, "_stacked", lambda stored: pytest.fail("all were read"))
    on_disk = saved(tmp_path / "disk", blocks)
    features = [
        sorted(json.loads(paths["geojson"].read_text())["features"], key=lambda one: int(one["properties"]["name"]))
        for paths in (in_memory, on_disk)
    ]
    assert features[0] == features[1]
    assert len(features[0]) == LABELS.max()
    assert read
