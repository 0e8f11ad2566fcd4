"""Pictures of two values go through the whole of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.drawn import discs

MASK = discs((96, 96), (20, 20, 11), (24, 70, 11), (70, 30, 11), (72, 74, 11)) > 0
WRITE = {
    "bool.tif": lambda path: tifffile.imwrite(path, MASK),
    "bits.tif": lambda path: Image.fromarray(MASK).save(path),
    "group4.tif": lambda path: Image.fromarray(MASK).save(path, compression="group4"),
    "bits.png": lambda path: Image.fromarray(MASK).save(path),
    "bits.bmp": lambda path: Image.fromarray(MASK).save(path),
    "bool.npy": lambda path: np.save(path, MASK),
    "stack.tif": lambda path: tifffile.imwrite(path, np.stack([MASK, MASK])),
}


@pytest.mark.parametrize("name", WRITE)
def test_masks_are_segmented_measured_and_drawn(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path / name)
    template = RequestTemplate(SegmentSettings().changed(diameter=22.0, device="cpu"))
    everything = BatchSettings(rois=True, geojson=True, overlay=True)
    report = segment_files([tmp_path / name], tmp_path / "out", template, Silent(), batch=everything)
    [record] = report.records
    assert (record.error, record.nuclei) == ("", 8 if name == "stack.tif" else 4)
    assert (tmp_path / "out" / f"{Path(name).stem}_overlay.png").exists()
