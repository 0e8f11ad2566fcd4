"""Several images in one file or store: listed with their sizes, chosen by number or name."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import zarr

from napari_unet_nuclei.core.errors import ImageFileError, SeriesError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.series import choose_in_step, choose_series

PLANES = np.random.default_rng(0).integers(0, 60_000, (3, 20, 30), np.uint16)


def write_tiff(path: Path, images: list[np.ndarray], **more: object) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for image in images:
            writer.write(image, **more)
    return path


def write_converted(path: Path, images: list[np.ndarray], names: list[str] | None = None) -> Path:
    """Write a store as bioformats2raw does; without names, the series are numbered and not listed."""
    store = zarr.create_group(path, zarr_format=2)
    store.attrs["bioformats2raw.layout"] = 3
    for number, image in enumerate(images):
        group = store.create_group(names[number] if names else str(number))
        group.create_array("0", data=image)
        axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
        scale = [{"type": "scale", "scale": [0.5, 0.5]}]
        described = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        group.attrs["multiscales"] = [described]
    about = store.create_group("OME")
    if names:
        about.attrs["series"] = names
    return path


@pytest.mark.parametrize("names", [None, ["0", "1", "2"], ["5", "3", "9"]])
def test_images_of_a_converted_store_are_read_by_number(tmp_path: Path, names: list[str] | None) -> None:
    store = write_converted(tmp_path / "c.zarr", list(PLANES), names)
    chosen = choose_series(store)
    assert [header.path for header in chosen.images] == [store / name for name in names or "012"]
    assert chosen.others == ()
    for number, plane in enumerate(PLANES):
        np.testing.assert_array_equal(np.asarray(read_image(store, number).array), plane)
    with pytest.raises(ImageFileError, match="3 image series: there is no number 3"):
        read_image(store, 3)


def test_the_label_of_a_converted_slide_is_left_out(tmp_path: Path) -> None:
    store = write_converted(tmp_path / "c.zarr", list(PLANES))
    named = "".join(
        f'<Image ID="Image:{n}" Name="{name}"/>' for n, name in enumerate(("", "label image", "macro image"))
    )
    about = store / "OME" / "METADATA.ome.xml"
    about.write_text(f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{named}</OME>')
    chosen = choose_series(store)
    assert ([header.path for header in chosen.images], chosen.names) == ([store / "0"], ("",))
    assert chosen.others == ("1 'label image' (20 × 30)", "2 'macro image' (20 × 30)")
    assert choose_series(store, "macro image").images[0].path == store / "2"


def test_one_image_of_a_converted_store_is_chosen(tmp_path: Path) -> None:
    store = write_converted(tmp_path / "c.zarr", list(PLANES))
    chosen = choose_series(store, "2")
    assert [header.path for header in chosen.images] == [store / "2"]
    assert chosen.others == ("0 (20 × 30)", "1 (20 × 30)")


def test_images_that_are_alike_are_all_taken_whatever_their_sizes(tmp_path: Path) -> None:
    file = write_tiff(tmp_path / "a.tif", [PLANES[0], PLANES[1, :10], PLANES[2, :, :12]])
    chosen = choose_series(file)
    assert [header.shape for header in chosen.images] == [(20, 30), (10, 30), (20, 12)]
    assert chosen.names == ("0", "1", "2")
    assert read_image(file).remarks == (
        "The file holds 3 images: number 0 was read. Choose another by its number (series).",
    )
    assert read_image(file, 0).remarks == ()


def test_of_unlike_images_the_first_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    file = write_tiff(tmp_path / "a.tif", [PLANES[0], PLANES[1, :10].astype(np.uint8)])
    chosen = choose_series(file)
    assert ([header.series for header in chosen.images], chosen.others) == ([0], ("1 (10 × 30)",))
    assert [header.series for header in choose_series(file, "ALL").images] == [0, 1]


@pytest.mark.parametrize("order", [1, -1])
def test_a_small_copy_is_never_taken_for_the_image(tmp_path: Path, order: int) -> None:
    file = tmp_path / "a.tif"
    with tifffile.TiffWriter(file) as writer:
        for image, kind in [(PLANES[0], 0), (PLANES[0, ::5, ::5], 1)][::order]:
            writer.write(image, subfiletype=kind, metadata=None)
    chosen = choose_series(file)
    assert [header.shape for header in chosen.images] == [(20, 30)]
    assert chosen.names == ("",)
    assert read_image(file).array.shape == (20, 30)
    assert read_image(file).remarks == ()
    assert "(4 × 6, a smaller copy)" in chosen.others[0]


@pytest.mark.parametrize(
    ("steps", "taken"),
    [((1, 5), 1), ((5, 1), 1), ((1, 1, 6), 2)],
)
def test_small_copies_without_a_mark_are_left_out(tmp_path: Path, steps: tuple[int, ...], taken: int) -> None:
    image = np.random.default_rng(1).integers(0, 60_000, (121, 180), np.uint16)
    file = tmp_path / "a.tif"
    with tifffile.TiffWriter(file) as writer:
        for number, step in enumerate(steps):  # images of one shape, one after the other, would be a stack
            part = image[::step, ::step]
            writer.write(part[:-1] if step == steps[0] == 1 and number == 1 else part, metadata=None)
    chosen = choose_series(file)
    assert len(chosen.images) == taken
    assert sum("smaller copy" in other for other in chosen.others) == len(steps) - taken
    assert read_image(file).array.shape == image.shape


@pytest.mark.parametrize("name", ["label image", "Macro Image", "Thumbnail", "overview", "Map"])
def test_the_label_of_a_slide_is_never_taken_for_the_image(tmp_path: Path, name: str) -> None:
    file = tmp_path / "slide.ome.tif"
    with tifffile.TiffWriter(file, ome=True) as writer:
        writer.write(PLANES[0, :8], metadata={"axes": "YX", "Name": name})
        writer.write(PLANES[1], metadata={"axes": "YX", "Name": "tissue"})
    chosen = choose_series(file)
    assert [header.name for header in chosen.images] == ["tissue"]
    assert chosen.others == (f"0 '{name}' (8 × 30)",)
    assert [header.shape for header in choose_series(file, name).images] == [(8, 30)]


def test_choices_without_effect_or_without_image_say_what_there_is(tmp_path: Path) -> None:
    one = write_tiff(tmp_path / "one.tif", [PLANES[0]])
    for wanted in ("0", "1", "left"):
        with pytest.raises(SeriesError, match=r"a single image, so a choice of series .* has no effect"):
            choose_series(one, wanted)
    two = write_tiff(tmp_path / "two.tif", [PLANES[0], PLANES[0, 1:]])
    for wanted in ("2", "left", "-1"):
        with pytest.raises(SeriesError, match=r"no image .*It holds 0 \(20 × 30\); 1 \(19 × 30\)"):
            choose_series(two, wanted)


def places(paths: list[Path], wanted: str = "") -> list[tuple[str, list[int | None]]]:
    chosen, _ = choose_in_step(paths, wanted)
    return [(one.name, [number for _, number in one.places]) for one in chosen]


def test_images_of_files_that_belong_together_are_chosen_in_step(tmp_path: Path) -> None:
    one, other = (write_tiff(tmp_path / name, [PLANES[0], PLANES[1, :10]]) for name in ("a.tif", "b.tif"))
    assert places([one, other]) == places([one, other], "all") == [("0", [0, 0]), ("1", [1, 1])]
    assert places([one, other], "1") == [("1", [1, 1])]
    picture = tmp_path / "c.png"
    imageio.imwrite(picture, PLANES[0])
    assert places([picture, other], "1") == [("1", [None, 1])]
    with pytest.raises(SeriesError, match=r"b.tif holds 2 images \(0 .*; 1 .*\), and .*c.png 1: choose"):
        choose_in_step([picture, other])
    assert places([picture, picture]) == [("", [None, None])]
    with pytest.raises(SeriesError, match=r"hold a single image each, .* no effect"):
        choose_in_step([picture, picture], "0")


def test_what_is_left_out_beside_a_chosen_image_is_named(tmp_path: Path) -> None:
    file = write_tiff(tmp_path / "a.tif", [PLANES[0], PLANES[1, :10]])
    chosen, left = choose_in_step([file], "0")
    assert (chosen[0].places, left) == (
        ((file, 0),),
        (f"Left out, of {file}: 1 (10 × 30). Choose them by their series.",),
    )
