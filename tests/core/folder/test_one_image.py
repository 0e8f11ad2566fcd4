from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.folder.one_image import Task, segment_planned
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.template import RequestTemplate, chosen_plane
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import two_channels


@pytest.fixture
def file(tmp_path):
    """Two channels with names and a pixel size, as a microscope writes them."""
    sample = two_channels()
    path = tmp_path / "cells.ome.tif"
    size = {"PhysicalSizeX": 0.325, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.325, "PhysicalSizeYUnit": "µm"}
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, **size}
    tifffile.imwrite(path, sample.image[:, :128, :160], metadata=metadata)
    return read_image(path)


TEMPLATE = RequestTemplate(SegmentSettings().changed(channel=0, diameter=30.0), region=(16, 128, 0, 160))


def task(file: ImageFile, out: Path) -> Task:
    return Task(PlannedFile(file.path, out, "cells"), TEMPLATE, BatchSettings(), "")


def test_labels_and_table_are_written_and_agree(file, tmp_path, recording):
    asked = task(file, tmp_path / "out")
    planned, progress = asked.planned, recording()
    record = segment_planned(asked, progress)
    written = read_image(planned.labels)
    np.testing.assert_array_equal(written.array, run_segment(TEMPLATE.request(file), recording()).labels)
    assert written.pixel_size == file.pixel_size
    table = pd.read_csv(planned.table)
    assert record.nuclei == len(table) > 0
    assert record.diameter_px == 30.0
    np.testing.assert_allclose(table.area_um2, table.area_px * 0.325**2)
    assert progress.fractions[-1] == pytest.approx(1)


def test_every_channel_is_measured_where_the_nuclei_are(file, tmp_path, recording):
    segment_planned(task(file, tmp_path), recording())
    labels = read_image(tmp_path / "cells_labels.tif").array
    table = pd.read_csv(tmp_path / "cells_table.csv")
    for channel, name in enumerate(("DAPI", "GFP")):
        pixels = file.array[channel, 16:128][labels == 1]
        assert table[f"{name}_mean"][0] == pytest.approx(pixels.mean())
        assert table[f"{name}_max"][0] == pixels.max()


@pytest.mark.parametrize("report", [1, 4])
def test_cancelling_leaves_no_file(report, file, tmp_path, recording):
    with pytest.raises(Cancelled):
        segment_planned(task(file, tmp_path / "out"), recording(cancel_after=report))
    assert not (tmp_path / "out").exists()


def test_axes_can_be_corrected(file):
    assert RequestTemplate(axes="ZYX").request(file).source.leading_axes == "Z"


@pytest.mark.parametrize(
    ("axes", "plane", "chosen"),
    [("ZYX", {"": 2}, (2,)), ("ZYX", {}, ()), ("TZYX", {"Z": 1}, (None, 1)), ("TZCYX", {"Z": 1, "T": 0}, (0, 1))],
)
def test_planes_are_chosen_by_letter_or_by_index_alone(axes, plane, chosen):
    shape = [3] * (len(axes) - 2) + [8, 8]
    assert chosen_plane(ImageSource(np.zeros(shape), axes), plane) == chosen


@pytest.mark.parametrize(("axes", "plane"), [("YX", {"": 0}), ("TZYX", {"": 0}), ("ZYX", {"T": 0}), ("ZYX", {"Z": 3})])
def test_a_plane_that_is_not_there_is_refused(axes, plane):
    shape = [3] * (len(axes) - 2) + [8, 8]
    with pytest.raises(ImageShapeError, match="axes"):
        chosen_plane(ImageSource(np.zeros(shape), axes), plane)
