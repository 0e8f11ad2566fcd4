"""OME-Zarr is read from one file and from an address, or refused with what is missing."""

from __future__ import annotations

import builtins
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_unet_nuclei.core.errors import ImageFileError, OutputFileError
from napari_unet_nuclei.core.folder.large_image import BlockSettings
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io import zarr_store
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.io.zarr_store import absolute, address
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.ome_zarr_files import PIXELS, described, write_store
from tests.helpers.samples import fluorescent_nuclei
from tests.helpers.served import served

NUCLEI = fluorescent_nuclei(0, (150, 170), 20.0, 12).image


def pack(store: Path, archive: Path, inside: str = "", compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w", compression) as opened:
        for file in sorted(path for path in store.rglob("*") if path.is_file()):
            opened.write(file, inside + file.relative_to(store).as_posix())
    return archive


def write_nuclei(store: Path) -> Path:
    group = zarr.create_group(store)
    group.create_array("0", data=NUCLEI)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return store


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("name", "inside"), [("a.ozx", ""), ("a.zarr.zip", ""), ("a.zip", "a.ome.zarr/")])
def test_a_store_in_one_file_is_read(tmp_path: Path, zarr_format: int, name: str, inside: str) -> None:
    store = write_store(tmp_path / "a.zarr", described(), zarr_format)
    archive = pack(store, tmp_path / name, inside, zipfile.ZIP_DEFLATED)
    image = read_image(archive)
    np.testing.assert_array_equal(image.array[...], PIXELS)
    assert (image.axes, image.channel_names, image.pixel_size.x) == ("CZYX", ("DAPI", "GFP"), 0.5)
    assert read_header(archive) == image.header
    assert len(read_ome_zarr(archive).levels) == 2


def test_archives_in_folders_are_images_where_they_hold_stores(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pack(write_store(tmp_path / "a.zarr", described(), 3), tmp_path / "in" / "a.ozx")
    pack(tmp_path / "in", tmp_path / "in" / "papers.zip")
    assert [file.image.name for file in plan_files([tmp_path / "in"], tmp_path / "out").files] == ["a.ozx"]


def test_several_images_in_one_file_are_each_done(tmp_path: Path) -> None:
    store = zarr.create_group(tmp_path / "c.zarr", zarr_format=2)
    store.attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        write_store(tmp_path / "c.zarr" / str(number), described(), 2)
    archive = pack(tmp_path / "c.zarr", tmp_path / "c.zip")
    plan = plan_files([archive], tmp_path / "out")
    assert [file.name for file in plan.files] == ["c_0", "c_1"]
    hashes = {hash_image(file.image) for file in plan.files}
    assert len(hashes) == 2
    np.testing.assert_array_equal(read_image(archive, 1).array[...], PIXELS)


def test_archives_that_harm_or_hold_no_store_are_refused_by_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(ImageFileError, match=r"no\.zip"):
        read_image(tmp_path / "no.zip")
    archive = pack(write_store(tmp_path / "a.zarr", described(), 3), tmp_path / "a.ozx")
    monkeypatch.setattr(zarr_store, "LARGEST_ENTRY", 10)
    zarr_store._entries_once.cache_clear()
    with pytest.raises(ImageFileError, match=r"a\.ozx claims .* it is damaged"):
        read_image(archive)
    zarr_store._entries_once.cache_clear()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_at_an_address_is_read(tmp_path: Path, zarr_format: int) -> None:
    write_store(tmp_path / "a.zarr", described(), zarr_format)
    with served(tmp_path) as url:
        image = read_image(f"{url}/a.zarr")
        np.testing.assert_array_equal(image.array[...], PIXELS)
        assert (image.axes, image.channel_names, image.pixel_size.x) == ("CZYX", ("DAPI", "GFP"), 0.5)
        assert hash_image(Path(f"{url}/a.zarr")) == hash_image(Path(f"{url}/a.zarr"))
        assert not is_ome_zarr(Path(f"{url}/b.zarr"))
        plan = plan_files([Path(f"{url}/a.zarr"), Path(f"{url}/b.tif")], tmp_path / "out")
        assert [file.name for file in plan.files] == ["a"]
        assert plan.unusable[0][0] == f"{url}/b.tif"
        assert "no OME-Zarr image" in plan.unusable[0][1]


@pytest.mark.parametrize("kind", ["address", "archive"])
def test_nuclei_of_a_store_elsewhere_are_those_of_the_store_here(tmp_path: Path, tiny_model_file: Path, kind) -> None:
    store = write_nuclei(tmp_path / "a.zarr")
    template = RequestTemplate(SegmentSettings(device="cpu").changed(diameter=20.0), str(tiny_model_file))
    [here] = segment_files([store], tmp_path / "here", template).records
    with served(tmp_path) as url:
        there = Path(f"{url}/a.zarr") if kind == "address" else pack(store, tmp_path / "a.ozx")
        [first] = segment_files([there], tmp_path / "there", template).records
        [again] = segment_files([there], tmp_path / "there", template).records
        [refused] = segment_files([there], tmp_path / "into", template, blocks=BlockSettings(into_image=True)).records
    assert (first.status, again.status) == ("done", "skipped"), first.error
    assert first.image == again.image == (f"{url}/a.zarr" if kind == "address" else str(there))
    np.testing.assert_array_equal(read_image(first.labels).array[...], read_image(here.labels).array[...])
    assert "write them beside the image" in refused.error


def test_an_address_that_cannot_be_reached_says_so() -> None:
    with pytest.raises(ImageFileError, match=r"http://127\.0\.0\.1:9/a\.zarr cannot be reached"):
        read_image("http://127.0.0.1:9/a.zarr")


def test_packages_that_an_address_needs_are_named(monkeypatch) -> None:
    original = builtins.__import__

    def without(name: str, *more, **named):
        if name.partition(".")[0] in ("s3fs", "gcsfs"):
            raise ImportError(f"No module named '{name}'")
        return original(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImageFileError, match=r"s3://bucket/a\.zarr needs a package .*pip install \"napari-unet-nuclei\[remote\]\""
    ):
        read_image("s3://bucket/a.zarr")


def test_addresses_keep_both_slashes_and_their_place() -> None:
    assert address(Path("https://host/a.zarr")) == "https://host/a.zarr"
    assert absolute(Path("https://host/a.zarr")) == Path("https://host/a.zarr")
    assert absolute(Path("a.zarr")).is_absolute()


def test_labels_do_not_go_into_an_archive(tmp_path: Path) -> None:
    from napari_unet_nuclei.core.blocks.destination import Destination
    from tests.helpers.block_images import request_of

    archive = pack(write_nuclei(tmp_path / "a.zarr"), tmp_path / "a.ozx")
    with pytest.raises(OutputFileError, match="lie in folders"):
        Destination.of(request_of(archive), tmp_path / "l.ome.zarr", True)
