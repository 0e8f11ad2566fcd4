from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import NetworkInputs, possible_looks
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.train.dataset import read_entries, read_planes
from napari_unet_nuclei.core.train.layouts import Entry
from napari_unet_nuclei.core.train.reading import InputForm
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei, stained_tissue, two_channels

SHAPE = (48, 64)
WHOLE = (0, 48, 0, 64)
FLUORESCENT = fluorescent_nuclei(0, SHAPE, 14.0, 6)
STAINED = stained_tissue(0, SHAPE, 12.0, 8)


def entry(image: Path, *labels: Path, masks: bool = False) -> Entry:
    return Entry("a", image, labels, masks, "a")


def read_pair(entry: Entry, form: InputForm):
    [pair] = read_planes(entry, form)
    return pair


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    if path.suffix == ".png":
        iio.imwrite(path, pixels)
    else:
        tifffile.imwrite(path, pixels, **options)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write(tmp_path / "image.png", FLUORESCENT.image)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write(tmp_path / "labels.png", FLUORESCENT.labels.astype(np.uint16))


def mask(path: Path, *boxes: tuple[int, int, int, int]) -> Path:
    pixels = np.zeros(SHAPE, np.uint8)
    for y0, y1, x0, x1 in boxes:
        pixels[y0:y1, x0:x1] = 255
    return write(path, pixels)


@pytest.mark.parametrize("pixels", [FLUORESCENT.image, 65535 - FLUORESCENT.image, STAINED.image])
def test_an_image_is_normalised_as_when_segmenting(tmp_path, labels, pixels):
    read, _ = read_pair(entry(write(tmp_path / "image.png", pixels), labels), InputForm())
    source = ImageSource(pixels, "YXS" if pixels.ndim == 3 else "YX")
    look = possible_looks(PlaneSample.whole(source), kind=read.kind)[0]
    assert np.array_equal(read.image, PlaneSample.whole(source).open(look, (1.0, 99.8)).read(WHOLE))
    assert (read.image.shape, read.image.dtype) == ((1, *SHAPE), np.float32)


def test_dark_nuclei_on_a_bright_background_become_bright(tmp_path, labels):
    read, _ = read_pair(entry(write(tmp_path / "image.png", 65535 - FLUORESCENT.image), labels), InputForm())
    image = read.image
    assert read.kind == "brightfield"
    assert np.median(image[0][FLUORESCENT.labels > 0]) > np.median(image[0][FLUORESCENT.labels == 0])


def test_stained_tissue_keeps_its_colours_so_that_training_can_vary_its_stains(tmp_path):
    truth = write(tmp_path / "labels.png", STAINED.labels.astype(np.uint16))
    read, _ = read_pair(entry(write(tmp_path / "image.png", STAINED.image), truth), InputForm())
    assert np.array_equal(read.picture, np.moveaxis(STAINED.image, -1, 0))
    inside = STAINED.labels > 0
    assert np.median(read.image[0][inside]) > np.median(read.image[0][~inside])


def test_a_network_may_take_all_colours_and_they_are_turned_together(tmp_path, labels):
    picture = write(tmp_path / "image.png", STAINED.image)
    truth = write(tmp_path / "labels.png", STAINED.labels.astype(np.uint16))
    read, _ = read_pair(entry(picture, truth), InputForm(NetworkInputs((), 3)))
    image = read.image
    assert image.shape == (3, *SHAPE)
    inside = STAINED.labels > 0
    assert all(np.median(colour[inside]) > np.median(colour[~inside]) for colour in image)


def test_a_grey_image_is_repeated_for_a_network_that_takes_colours(image, labels):
    read, _ = read_pair(entry(image, labels), InputForm(NetworkInputs((), 3)))
    pixels = read.image
    assert pixels.shape == (3, *SHAPE)
    assert (pixels == pixels[0]).all()


@pytest.mark.parametrize("axes", ["CYX", "ZYX"])
def test_any_number_of_channels_is_read_also_where_the_file_does_not_name_them(tmp_path, axes):
    sample = two_channels()
    image = write(tmp_path / "image.ome.tif", sample.image, metadata={"axes": axes})
    labels = write(tmp_path / "labels.tif", sample.labels)
    read, _ = read_pair(entry(image, labels), InputForm(NetworkInputs((), 2)))
    pixels = read.image
    assert pixels.shape == sample.image.shape
    assert not np.array_equal(pixels[0], pixels[1])


def test_a_channel_is_chosen_where_the_network_takes_one(tmp_path):
    sample = two_channels()
    pair = entry(
        write(tmp_path / "image.ome.tif", sample.image, metadata={"axes": "CYX"}),
        write(tmp_path / "labels.tif", sample.labels),
    )
    both, _ = read_pair(pair, InputForm(NetworkInputs((), 2)))
    assert np.array_equal(read_pair(pair, InputForm(channel=1))[0].image, both.image[1:])
    with pytest.raises(DatasetError, match=r"image\.ome\.tif.*Choose"):
        read_pair(pair, InputForm())
    with pytest.raises(DatasetError, match=r"image\.ome\.tif.*has 2 channels, and the model takes 3"):
        read_pair(pair, InputForm(NetworkInputs((), 3)))


def test_the_channel_is_found_by_its_name(tmp_path):
    sample = two_channels()
    named = {"axes": "CYX", "Channel": {"Name": ["GFP", "Hoechst"]}}
    pair = entry(
        write(tmp_path / "image.ome.tif", sample.image, metadata=named),
        write(tmp_path / "labels.tif", sample.labels),
    )
    for form, channel in ((InputForm(), 1), (InputForm(channel="gfp"), 0)):
        assert np.array_equal(read_pair(pair, form)[0].image, read_pair(pair, InputForm(channel=channel))[0].image)
    with pytest.raises(DatasetError, match=r"no channel 'RFP'.*GFP \(0\) and Hoechst \(1\)"):
        read_pair(pair, InputForm(channel="RFP"))


def test_planes_of_a_stack_are_not_taken_for_the_signals_of_a_network(tmp_path):
    image = write(tmp_path / "stack.tif", np.zeros((2, *SHAPE), np.uint8), metadata={"axes": "ZYX"})
    labels = write(tmp_path / "labels.tif", np.ones((2, *SHAPE), np.uint8), metadata={"axes": "ZYX"})
    assert len(read_planes(entry(image, labels), InputForm(NetworkInputs(("nuclei", "density"))))) == 2


def test_a_stack_is_read_plane_by_plane_as_one_group(tmp_path):
    stack = np.stack([FLUORESCENT.image, FLUORESCENT.image[::-1], FLUORESCENT.image // 2])
    ids = np.stack([FLUORESCENT.labels, FLUORESCENT.labels[::-1], 0 * FLUORESCENT.labels]).astype(np.uint16)
    image = write(tmp_path / "stack.tif", stack, metadata={"axes": "ZYX"})
    labels = write(tmp_path / "labels.tif", ids, metadata={"axes": "ZYX"})
    planes = read_planes(entry(image, labels), InputForm())
    assert [one.name for one, _ in planes] == ["a [z=0]", "a [z=1]", "a [z=2]"]
    assert {one.group for one, _ in planes} == {"a"}
    for (sample, found), pixels in zip(planes, stack, strict=True):
        assert np.array_equal(sample.labels, found.labels)
        plane = PlaneSample.whole(ImageSource(pixels, "YX"))
        assert np.array_equal(sample.image, plane.open(possible_looks(plane)[0], (1.0, 99.8)).read(WHOLE))
    assert [len(np.unique(one.labels)) for one, _ in planes] == [7, 7, 1]
    # A plane without any label has not been labelled, and that is said, unless somebody says that it has been.
    progress = RecordingProgress()
    assert len(read_entries([entry(image, labels)], InputForm(), progress)) == 2
    assert any("Planes without any label are left out" in one for one in progress.notices)
    assert len(read_entries([entry(image, labels)], InputForm(), Silent(), unlabelled=True)) == 3
    # ImageJ's outlines tell their planes.
    write_imagej_rois(tmp_path / "rois.zip", ids.astype(np.int32), axes="ZYX")
    drawn = read_planes(entry(image, tmp_path / "rois.zip"), InputForm())
    assert [int(found.labels.max()) for _, found in drawn] == [6, 6, 0]


def test_labels_of_other_planes_are_refused(tmp_path, labels):
    image = write(tmp_path / "stack.tif", np.zeros((4, *SHAPE), np.uint8), metadata={"axes": "ZYX"})
    with pytest.raises(DatasetError, match=r"stack\.tif is 4 × 48 × 64 pixels .*but .*labels\.png is 48 × 64\."):
        read_planes(entry(image, labels), InputForm())
    with pytest.raises(DatasetError, match="give one label image"):
        read_planes(entry(image, labels, masks=True), InputForm())


def test_labels_are_numbered_without_gaps_and_holes(tmp_path, image):
    ids = np.zeros(SHAPE, np.uint16)
    ids[2:9, 2:9], ids[4:6, 4:6], ids[20:30, 20:30] = 7, 0, 300
    _, found = read_pair(entry(image, write(tmp_path / "labels.png", ids)), InputForm())
    assert np.bincount(found.labels.ravel())[1:].tolist() == [49, 100]
    assert (found.labels.dtype, found.from_mask) == (np.int32, False)


@pytest.mark.parametrize("value", [1, 255])
def test_connected_pieces_of_a_mask_are_nuclei(tmp_path, image, value):
    pixels = np.where(FLUORESCENT.labels > 0, value, 0).astype(np.uint8)
    _, found = read_pair(entry(image, write(tmp_path / "mask.png", pixels)), InputForm())
    assert found.from_mask
    assert found.labels.max() > 1
    assert ((found.labels > 0) == (FLUORESCENT.labels > 0)).mean() > 0.99


def test_a_mask_may_be_saved_in_colours(tmp_path, image):
    pixels = np.repeat(np.where(FLUORESCENT.labels > 0, 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
    _, found = read_pair(entry(image, write(tmp_path / "mask.png", pixels)), InputForm())
    assert found.from_mask


def test_a_single_nucleus_is_no_mask_and_none_is_none(tmp_path, image):
    for boxes, count in [([(3, 9, 3, 9)], 1), ([], 0)]:
        _, found = read_pair(entry(image, mask(tmp_path / "mask.png", *boxes)), InputForm())
        assert (found.from_mask, found.labels.max()) == (False, count)


def test_masks_of_single_nuclei_become_labels(tmp_path, image):
    masks = [mask(tmp_path / "1.png", (2, 8, 2, 8)), mask(tmp_path / "2.png", (8, 20, 2, 8))]
    _, found = read_pair(entry(image, *masks, masks=True), InputForm())
    assert sorted(np.bincount(found.labels.ravel())[1:]) == [36, 72]
    assert found.shared_pixels == 0


def test_a_seam_that_two_masks_share_goes_to_the_smaller_nucleus(tmp_path, image):
    masks = [mask(tmp_path / "1.png", (2, 12, 2, 12)), mask(tmp_path / "2.png", (11, 15, 9, 12))]
    _, found = read_pair(entry(image, *masks, masks=True), InputForm())
    assert found.shared_pixels == 3
    assert sorted(np.bincount(found.labels.ravel())[1:]) == [12, 97]


def test_masks_that_overlap_are_named(tmp_path, image):
    masks = [mask(tmp_path / "1.png", (2, 12, 2, 12)), mask(tmp_path / "2.png", (10, 15, 8, 12))]
    with pytest.raises(DatasetError, match=r"2\.png and 1\.png overlap in 8 pixels"):
        read_pair(entry(image, *masks, masks=True), InputForm())


@pytest.mark.parametrize("masks", [False, True])
def test_sizes_that_differ_are_named(tmp_path, image, masks):
    small = write(tmp_path / "small.png", np.zeros((40, 64), np.uint8))
    with pytest.raises(DatasetError, match=r"image\.png is 48 × 64 pixels.*small\.png is 40 × 64"):
        read_pair(entry(image, small, masks=masks), InputForm())


def test_labels_that_are_none_are_named(tmp_path, image):
    for pixels, told in [
        (np.full(SHAPE, 0.5, np.float32), "fractions"),
        (np.full(SHAPE, -2, np.int32), "below -1"),
        (STAINED.image, "colours"),
    ]:
        labels = write(tmp_path / "wrong.tif", pixels)
        with pytest.raises(DatasetError, match=rf"wrong\.tif.*{told}"):
            read_pair(entry(image, labels), InputForm())


@pytest.mark.parametrize("damaged", ["image.png", "labels.png"])
def test_a_damaged_file_is_named(tmp_path, image, labels, damaged):
    (tmp_path / damaged).write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=damaged):
        read_pair(entry(image, labels), InputForm())


def test_the_channel_whose_name_says_that_it_shows_nuclei_is_learnt_from(tmp_path):
    sample = two_channels()
    labels = write(tmp_path / "labels.tif", sample.labels)
    metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}}
    named = write(tmp_path / "named.ome.tif", sample.image[::-1], metadata=metadata)
    first = write(tmp_path / "first.ome.tif", sample.image, metadata={"axes": "CYX"})
    found, _ = read_pair(entry(named, labels), InputForm())
    assert np.array_equal(found.image, read_pair(entry(first, labels), InputForm(channel=0))[0].image)


def test_channels_named_after_colours_are_learnt_from_as_the_picture_that_they_are(tmp_path):
    labels = write(tmp_path / "labels.tif", STAINED.labels.astype(np.uint16))
    metadata = {"axes": "CYX", "Channel": {"Name": ["red", "green", "blue"]}}
    channels = write(tmp_path / "channels.ome.tif", np.moveaxis(STAINED.image, -1, 0), metadata=metadata)
    picture = write(tmp_path / "picture.png", STAINED.image)
    found, _ = read_pair(entry(channels, labels), InputForm())
    assert np.array_equal(found.image, read_pair(entry(picture, labels), InputForm())[0].image)


def test_outlines_of_imagej_and_qupath_are_labels(tmp_path, image, labels):
    expected, _ = read_pair(entry(image, labels), InputForm())
    for name, write_outlines in (("a.zip", write_imagej_rois), ("a.geojson", write_geojson)):
        write_outlines(tmp_path / name, FLUORESCENT.labels)
        read, found = read_pair(entry(image, tmp_path / name), InputForm())
        assert np.array_equal(read.labels, expected.labels)
        assert found.notices == ()


def test_outlines_of_another_image_are_refused(tmp_path, image):
    write_geojson(tmp_path / "a.geojson", np.pad(FLUORESCENT.labels, ((100, 0), (0, 0))))
    with pytest.raises(DatasetError, match="they belong to another image"):
        read_pair(entry(image, tmp_path / "a.geojson"), InputForm())
