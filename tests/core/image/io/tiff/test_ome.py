"""A file of an OME-TIFF set is read as its own image, with all planes of it, wherever they are."""

from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.image.io.read import read_header, read_headers, read_image
from napari_unet_nuclei.core.image.io.tiff import read as tiff
from napari_unet_nuclei.core.image.io.tiff.ome import member_files
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from tests.helpers.ome_sets import DrawnImage, positions, write_set

RNG = np.random.default_rng(0)
STACKS = [RNG.integers(0, 60_000, (2, 20, 30), np.uint16) for _ in range(3)]
VOLUME = RNG.integers(0, 60_000, (2, 2, 3, 20, 30), np.uint16)  # T, C, Z


def one_file_per(axis: str) -> DrawnImage:
    """Spread the planes of `VOLUME` over files, one for each index along an axis."""
    pages: dict[str, int] = {}
    places = {}
    for place in np.ndindex(*VOLUME.shape[:3]):
        file = f"v_{axis}{place['TCZ'.index(axis)]}.ome.tif"
        places[place] = (file, pages.setdefault(file, 0))
        pages[file] += 1
    return DrawnImage(VOLUME, places, "v", ("DAPI", "GFP"))


def planned(folder: Path) -> list[str]:
    return [file.image.name for file in plan_files([folder], folder / "out").files]


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("lazy", [False, True])
def test_every_position_is_read_from_its_own_file(tmp_path: Path, monkeypatch, compression, lazy) -> None:
    monkeypatch.setattr(tiff, "LAZY_ABOVE", 0 if lazy else 10**6)
    write_set(tmp_path, positions(STACKS), compression=compression)
    assert planned(tmp_path) == [f"scan_MMStack_Pos{number}.ome.tif" for number in range(3)]
    for number, stack in enumerate(STACKS):
        file = tmp_path / f"scan_MMStack_Pos{number}.ome.tif"
        image = read_image(file)
        np.testing.assert_array_equal(np.asarray(image.array[...]), stack)
        assert (image.axes, image.pixel_size.y, image.images) == ("ZYX", 0.5, 1)
        assert read_header(file) == image.header
        with pytest.raises(ImageFileError, match="a single image"):
            read_image(file, 2)
        assert member_files(file) == (file,)


def test_positions_are_read_where_others_are_missing_or_renamed(tmp_path: Path) -> None:
    write_set(tmp_path, positions(STACKS))
    (tmp_path / "scan_MMStack_Pos0.ome.tif").unlink()
    (tmp_path / "scan_MMStack_Pos1.ome.tif").rename(tmp_path / "patient 7.ome.tif")
    # Under a name of the set, but with another position.
    (tmp_path / "scan_MMStack_Pos2.ome.tif").rename(tmp_path / "scan_MMStack_Pos1.ome.tif")
    for name, stack in {"patient 7.ome.tif": STACKS[1], "scan_MMStack_Pos1.ome.tif": STACKS[2]}.items():
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.array, stack)
        assert image.path == tmp_path / name


def test_a_copy_is_an_image_of_its_own(tmp_path: Path) -> None:
    write_set(tmp_path, positions(STACKS[:1]))
    original = tmp_path / "scan_MMStack_Pos0.ome.tif"
    shutil.copy(original, tmp_path / "copy.ome.tif")
    assert planned(tmp_path) == ["copy.ome.tif", original.name]
    assert read_image(tmp_path / "copy.ome.tif").path == tmp_path / "copy.ome.tif"


@pytest.mark.parametrize("axis", ["T", "C", "Z"])
@pytest.mark.parametrize("companion", ["", "v.companion.ome"])
@pytest.mark.parametrize("lazy", [False, True])
def test_an_image_over_several_files_is_one(tmp_path: Path, monkeypatch, axis: str, companion: str, lazy: bool) -> None:
    monkeypatch.setattr(tiff, "LAZY_ABOVE", 0 if lazy else 10**6)
    write_set(tmp_path, [one_file_per(axis)], companion)
    assert planned(tmp_path) == [f"v_{axis}0.ome.tif"]
    for file in [*sorted(tmp_path.glob("v_*.tif")), *([tmp_path / companion] if companion else [])]:
        image = read_image(file)
        assert (image.axes, image.channel_names) == ("TCZYX", ("DAPI", "GFP"))
        np.testing.assert_array_equal(np.asarray(image.array[...]), VOLUME)
        assert image.path.name == f"v_{axis}0.ome.tif"
        assert [header.path for header in read_headers(file)] == [image.path]


def test_positions_of_which_every_file_is_a_channel_are_done_once_each(tmp_path: Path) -> None:
    images = []
    for number, stack in enumerate(STACKS):
        places = {(0, channel, 0): (f"ch{channel}.ome.tif", number) for channel in range(2)}
        images.append(DrawnImage(stack[None, :, None], places, f"P{number}"))
    write_set(tmp_path, images)
    plan = plan_files([tmp_path], tmp_path / "out")
    assert [(file.image.name, file.series, file.part) for file in plan.files] == [
        ("ch0.ome.tif", number, f"P{number}") for number in range(3)
    ]
    for file in plan.files:
        np.testing.assert_array_equal(read_image(file.image, file.series).array, STACKS[file.series])


def test_renamed_files_of_a_stack_are_found_by_their_uuid(tmp_path: Path) -> None:
    write_set(tmp_path, [one_file_per("Z")])
    for number in range(3):
        (tmp_path / f"v_Z{number}.ome.tif").rename(tmp_path / f"Größe {3 - number}.ome.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "Größe 2.ome.tif").array, VOLUME)
    assert planned(tmp_path) == ["Größe 3.ome.tif"]


def test_names_of_another_system_are_the_same_names(tmp_path: Path) -> None:
    image = one_file_per("C")
    places = {place: (file.replace("v_", "Zürich_"), page) for place, (file, page) in image.places.items()}
    write_set(tmp_path, [DrawnImage(image.pixels, places)])
    for file in tmp_path.glob("*.tif"):
        file.rename(file.with_name(unicodedata.normalize("NFD", file.name).upper().replace(".OME.TIF", ".ome.tif")))
    assert read_image(next(tmp_path.glob("*.tif"))).array.shape == VOLUME.shape


def test_time_points_that_were_never_taken_are_left_out_and_named(tmp_path: Path) -> None:
    whole = one_file_per("T").places
    taken = {place: ("v.ome.tif", page) for page, place in enumerate(place for place in whole if place[0] == 0)}
    longer = np.concatenate([VOLUME] * 5)
    write_set(tmp_path, [DrawnImage(longer, taken)])
    image = read_image(tmp_path / "v.ome.tif")
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.array, VOLUME[0])
    assert image.remarks == ("9 of 10 time points were never taken or are lost, and left out: 1-9 (counted from 0).",)


def test_a_channel_that_is_lost_is_left_out_and_named(tmp_path: Path) -> None:
    write_set(tmp_path, [one_file_per("C")])
    (tmp_path / "v_C0.ome.tif").unlink()
    image = read_image(tmp_path / "v_C1.ome.tif")
    np.testing.assert_array_equal(image.array, VOLUME[:, 1])
    assert image.remarks == ("1 of 2 channels was never taken or is lost, and left out: 0 (counted from 0).",)


def test_a_plane_missing_among_others_is_named(tmp_path: Path) -> None:
    image = one_file_per("Z")
    write_set(tmp_path, [DrawnImage(VOLUME, {place: at for place, at in image.places.items() if place != (1, 1, 1)})])
    read = read_image(tmp_path / "v_Z0.ome.tif")
    assert read.array.shape == VOLUME.shape
    assert not read.array[1, 1, 1].any()
    assert read.remarks == ("1 single plane is missing among the others: nothing is found there.",)


def test_without_the_files_that_it_speaks_of_a_file_is_refused_by_name(tmp_path: Path) -> None:
    write_set(tmp_path, [one_file_per("Z")], "v.companion.ome")
    (tmp_path / "v.companion.ome").unlink()
    with pytest.raises(ImageFileError, match=r"v_Z0.ome.tif has its metadata in v.companion.ome, which is not beside"):
        read_image(tmp_path / "v_Z0.ome.tif")
    lone = tmp_path / "lone"
    lone.mkdir()
    write_set(lone, [one_file_per("Z")], "v.companion.ome")
    for file in lone.glob("*.tif"):
        file.unlink()
    with pytest.raises(ImageFileError, match="not of itself"):
        read_image(lone / "v.companion.ome")


def test_a_change_in_any_file_of_a_set_changes_the_fingerprint(tmp_path: Path) -> None:
    write_set(tmp_path, [one_file_per("Z")])
    before = {file: hash_image(file) for file in sorted(tmp_path.glob("*.tif"))}
    assert len(set(before.values())) == 1
    with tifffile.TiffFile(tmp_path / "v_Z2.ome.tif", mode="r+") as tif:
        position = tif.pages[0].dataoffsets[0]
        tif.filehandle.seek(position)
        tif.filehandle.write(b"\xff\xff")
    assert hash_image(tmp_path / "v_Z0.ome.tif") != before[tmp_path / "v_Z0.ome.tif"]


def write_described(path: Path, pages: np.ndarray, sizes: str, records: str, samples: int = 1) -> Path:
    """Write pages with metadata that are given as they stand."""
    namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    height, width = pages.shape[1:3]
    text = (
        f'<OME xmlns="{namespace}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="{width}" SizeY="{height}" {sizes}><Channel ID="Channel:0" SamplesPerPixel="{samples}"/>{records}'
        "</Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            kind = "rgb" if samples == 3 else "minisblack"
            description = text if number == 0 else None
            writer.write(page, photometric=kind, contiguous=False, metadata=None, description=description)
    return path


BYTES = RNG.integers(0, 255, (4, 20, 30), np.uint8)


@pytest.mark.parametrize(
    "records",
    [
        "",
        "<TiffData/>",
        '<TiffData IFD="0" PlaneCount="4"/>',
        '<TiffData IFD="0" PlaneCount="4"><UUID FileName="former name.ome.tif">urn:uuid:1</UUID></TiffData>',
        '<TiffData IFD="2" FirstT="1" PlaneCount="2"/><TiffData IFD="0" PlaneCount="2"/>',
    ],
)
def test_records_of_several_planes_are_counted_in_the_order_of_the_axes(tmp_path: Path, records: str) -> None:
    file = write_described(tmp_path / "a.ome.tif", BYTES, 'SizeC="1" SizeZ="2" SizeT="2"', records)
    image = read_image(file)
    assert (image.axes, image.remarks) == ("TZYX", ())
    np.testing.assert_array_equal(image.array, BYTES.reshape(2, 2, 20, 30))


def test_planes_that_are_promised_and_not_in_the_file_are_left_out(tmp_path: Path) -> None:
    records = "".join(f'<TiffData IFD="{page}" FirstT="{page}" PlaneCount="1"/>' for page in range(40))
    file = write_described(tmp_path / "a.ome.tif", BYTES, 'SizeC="1" SizeZ="1" SizeT="40"', records)
    image = read_image(file)
    np.testing.assert_array_equal(image.array, BYTES)
    assert "36 of 40 time points" in image.remarks[0]


@pytest.mark.parametrize("claimed", ['SizeY="18446744073709551615"', 'SizeX="9999999" SizeY="30"'])
def test_planes_that_are_said_to_be_far_larger_than_their_pages_are_refused(tmp_path: Path, claimed: str) -> None:
    file = write_described(tmp_path / "a.ome.tif", BYTES, 'SizeC="1" SizeZ="4" SizeT="1"', "<TiffData/>")
    text = tifffile.TiffFile(file).pages.first.description
    changed = re.sub(r'SizeX="\d+" SizeY="\d+"', claimed, text).encode()
    tifffile.imwrite(file, BYTES[0], photometric="minisblack", metadata=None, description=changed)
    with pytest.raises(ImageFileError, match="damaged"):
        read_image(file)


def test_colours_of_a_page_are_one_channel_of_the_metadata(tmp_path: Path) -> None:
    pictures = RNG.integers(0, 255, (2, 20, 30, 3), np.uint8)
    records = '<TiffData IFD="0" PlaneCount="2"/>'
    file = write_described(tmp_path / "a.ome.tif", pictures, 'SizeC="3" SizeZ="3" SizeT="1"', records, samples=3)
    image = read_image(file)
    assert image.axes == "ZYXS"
    np.testing.assert_array_equal(image.array, pictures)
    assert "1 of 3 planes" in image.remarks[0]


def test_positions_of_a_companion_are_done_once_each(tmp_path: Path) -> None:
    write_set(tmp_path, positions(STACKS, "p{}.ome.tif"), "scan.companion.ome")
    for given in (tmp_path, tmp_path / "scan.companion.ome"):
        files = plan_files([given], tmp_path / "out").files
        assert [file.image.name for file in files] == ["p0.ome.tif", "p1.ome.tif", "p2.ome.tif"]
    for number, stack in enumerate(STACKS):
        np.testing.assert_array_equal(read_image(tmp_path / f"p{number}.ome.tif").array, stack)


def test_one_lone_position_among_many_is_read_quickly_and_alone(tmp_path: Path) -> None:
    write_set(tmp_path, positions(STACKS))
    (tmp_path / "else").mkdir()
    file = tmp_path / "scan_MMStack_Pos2.ome.tif"
    file.rename(tmp_path / "else" / file.name)
    image = read_image(tmp_path / "else" / file.name)
    np.testing.assert_array_equal(image.array, STACKS[2])
    assert image.images == 1


def test_what_is_missing_is_said_under_the_suffix_of_a_scanner_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages = RNG.integers(0, 60_000, (2, 20, 30), np.uint16)
    records = '<TiffData IFD="0" PlaneCount="2"/>'
    file = write_described(tmp_path / "a.ndpi", pages, 'SizeC="1" SizeZ="3" SizeT="1"', records)
    assert "1 of 3 planes" in read_image(file).remarks[0]
    assert not caplog.records
