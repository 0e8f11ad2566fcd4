import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.folder.one_image import RequestTemplate, chosen_plane, segment_file
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.samples.synthetic import two_channels
from napari_unet_nuclei.core.settings import SegmentSettings


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


def test_labels_and_table_are_written_and_agree(file, tmp_path, recording):
    planned = PlannedFile.named(file.path, tmp_path / "out", "cells")
    progress = recording()
    record, result = segment_file(file, TEMPLATE, planned, progress)
    written = read_image(planned.labels)
    np.testing.assert_array_equal(written.array, result.labels)
    assert written.pixel_size == file.pixel_size
    table = pd.read_csv(planned.table)
    assert record.nuclei == len(table) > 0
    assert record.diameter_px == 30.0
    np.testing.assert_allclose(table.area_um2, table.area_px * 0.325**2)
    assert progress.fractions[-1] == pytest.approx(1)


def test_every_channel_is_measured_where_the_nuclei_are(file, tmp_path, recording):
    _, result = segment_file(file, TEMPLATE, PlannedFile.named(file.path, tmp_path, "cells"), recording())
    table = pd.read_csv(tmp_path / "cells_table.csv")
    for channel, name in enumerate(("DAPI", "GFP")):
        pixels = file.array[channel, 16:128][result.labels == 1]
        assert table[f"{name}_mean"][0] == pytest.approx(pixels.mean())
        assert table[f"{name}_max"][0] == pixels.max()


@pytest.mark.parametrize("report", [1, 4])
def test_cancelling_leaves_no_file(report, file, tmp_path, recording):
    with pytest.raises(Cancelled):
        segment_file(
            file, TEMPLATE, PlannedFile.named(file.path, tmp_path / "out", "cells"), recording(cancel_after=report)
        )
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
