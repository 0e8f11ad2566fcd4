from __future__ import annotations

import io
import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import Result
from skimage.color import hed_from_rgb
from skimage.segmentation import expand_labels
from typer.testing import CliRunner

from napari_unet_nuclei.cli import app
from napari_unet_nuclei.core.image.io.write import write_labels
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.classify.class_file import write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from tests.helpers import samples

LABELS = np.zeros((20, 30), np.int32)
LABELS[2:8, 2:8] = 1
LABELS[10:18, 12:28] = 5
IMAGE = np.arange(600, dtype=np.uint16).reshape(20, 30)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["measure", *map(str, arguments)])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.tif"
    write_labels(path, LABELS, axes="YX", pixel_size=PixelSize(0.5, 0.5), provenance={})
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, IMAGE)
    return path


def test_the_table_goes_to_stdout_as_csv(labels, image):
    result = run(labels, image)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(io.StringIO(result.stdout))
    assert table["label"].tolist() == [1, 5]
    assert table["area_um2"].tolist() == [9.0, 32.0]
    assert table["cells_mean"].tolist() == [IMAGE[i == LABELS].mean() for i in (1, 5)]
    assert table["cells_sum"].tolist() == [IMAGE[i == LABELS].sum() for i in (1, 5)]


def test_the_table_goes_to_a_file_and_stdout_stays_empty(labels, image, tmp_path):
    result = run(labels, image, "--out", tmp_path / "new folder" / "table.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 nuclei" in result.stderr
    assert len(pd.read_csv(tmp_path / "new folder" / "table.csv")) == 2


def test_quiet_says_nothing(labels, image, tmp_path):
    result = run(labels, image, "--out", tmp_path / "table.csv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_json_has_an_object_per_nucleus(labels, image):
    rows = json.loads(run(labels, image, "--json").stdout)
    assert [row["label"] for row in rows] == [1, 5]
    assert [row["touches_edge"] for row in rows] == [False, False]


def test_several_images_and_all_channels_have_columns_of_their_own(labels, image, tmp_path):
    named, unnamed, picture = tmp_path / "named.ome.tif", tmp_path / "unnamed.tif", tmp_path / "picture.png"
    both = np.stack([IMAGE, 2 * IMAGE])
    tifffile.imwrite(named, both, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}})
    tifffile.imwrite(unnamed, both, imagej=True, metadata={"axes": "CYX"})
    iio.imwrite(picture, np.zeros((20, 30, 3), np.uint8))
    table = pd.read_csv(io.StringIO(run(labels, image, named, unnamed, picture).stdout))
    measured = [name.removesuffix("_mean") for name in table.columns if name.endswith("_mean")]
    expected = ["cells", "DAPI", "GFP", "unnamed_channel_0", "unnamed_channel_1"]
    assert measured == [*expected, "picture_red", "picture_green", "picture_blue"]
    assert (table["GFP_mean"] == 2 * table["DAPI_mean"]).all()


def test_channels_of_the_same_name_are_told_apart_by_file(labels, tmp_path):
    for name in ("a.ome.tif", "b.ome.tif"):
        tifffile.imwrite(tmp_path / name, IMAGE, metadata={"Channel": {"Name": "DAPI"}})
    table = pd.read_csv(io.StringIO(run(labels, tmp_path / "a.ome.tif", tmp_path / "b.ome.tif").stdout))
    assert {"DAPI_mean", "b_DAPI_mean"} <= set(table.columns)


def test_images_of_the_same_name_are_told_apart(labels, image, tmp_path):
    (tmp_path / "other").mkdir()
    tifffile.imwrite(tmp_path / "other" / "cells.tif", IMAGE + 1)
    table = pd.read_csv(io.StringIO(run(labels, image, tmp_path / "other" / "cells.tif").stdout))
    [difference] = set(table["other_cells_mean"] - table["cells_mean"])
    assert difference == 1


def test_the_pixel_size_of_an_image_serves_labels_without_one(tmp_path):
    bare, image = tmp_path / "bare.png", tmp_path / "image.ome.tif"
    iio.imwrite(bare, LABELS.astype(np.uint8))
    tifffile.imwrite(image, IMAGE, metadata={"PhysicalSizeX": 2.0, "PhysicalSizeY": 1.0})
    assert pd.read_csv(io.StringIO(run(bare, image).stdout))["area_um2"].tolist() == [72.0, 256.0]


def test_rows_of_a_stack_name_their_plane(tmp_path):
    sample = samples.z_stack()
    tifffile.imwrite(tmp_path / "stack.ome.tif", sample.image, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "labels.ome.tif", sample.labels, metadata={"axes": "ZYX"})
    written = run(tmp_path / "labels.ome.tif", tmp_path / "stack.ome.tif", "--planes", "each").stdout
    table = pd.read_csv(io.StringIO(written))
    planes = [z for z, plane in enumerate(sample.labels) for _ in np.unique(plane[plane > 0])]
    assert table["z"].tolist() == planes


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("labels", "larger", "'larger' has the shape (40, 30)"),
        ("colours", "cells", "not a label image"),
        ("fractions", "cells", "fractions"),
        ("labels", "missing", "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_named(labels, image, tmp_path, first, second, told):
    tifffile.imwrite(tmp_path / "larger.tif", np.vstack([IMAGE, IMAGE]))
    tifffile.imwrite(tmp_path / "colours.tif", np.arange(1800, dtype=np.uint8).reshape(20, 30, 3), photometric="rgb")
    tifffile.imwrite(tmp_path / "fractions.tif", np.full((20, 30), 0.5, np.float32))
    result = run(tmp_path / f"{first}.tif", tmp_path / f"{second}.tif", "--out", tmp_path / "table.csv")
    assert result.exit_code == 1
    assert told in result.stderr
    assert not (tmp_path / "table.csv").exists()


@pytest.mark.parametrize(("name", "write"), [("a_rois.zip", write_imagej_rois), ("a.geojson", write_geojson)])
def test_outlines_are_measured_as_the_labels_that_they_enclose(name, write, labels, image, tmp_path):
    write(tmp_path / name, LABELS)
    tables = [pd.read_csv(io.StringIO(run(path, image).stdout)) for path in (labels, tmp_path / name)]
    # Outlines have no pixel size.
    one, other = (table.drop(columns=["area_um2", "diameter_um"]) for table in tables)
    pd.testing.assert_frame_equal(one, other)


def test_folders_are_measured_pair_by_pair(tmp_path):
    for number, name in enumerate(("a", "b", "alone")):
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", IMAGE + np.uint16(number))
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks" / "a_cp_masks.tif", LABELS)
    write_imagej_rois(tmp_path / "masks" / "b_rois.zip", LABELS)
    measured = run(tmp_path / "masks", tmp_path / "images")
    table = pd.read_csv(io.StringIO(measured.stdout))
    assert table[["image", "label"]].to_numpy().tolist() == [["a", 1], ["a", 5], ["b", 1], ["b", 5]]
    np.testing.assert_allclose(table["intensity_mean"][2:] - table["intensity_mean"][:2].to_numpy(), 1)
    assert "not measured" in measured.stderr
    assert "alone.tif" in measured.stderr


def test_masks_beside_their_images_are_measured_in_one_folder(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    tifffile.imwrite(tmp_path / "a_masks.tif", LABELS)
    table = pd.read_csv(io.StringIO(run(tmp_path, tmp_path).stdout))
    assert table["label"].tolist() == [1, 5]


def test_a_folder_of_labels_wants_the_folder_of_the_images(labels, image, tmp_path):
    assert "give the one folder with its images" in run(tmp_path, image).stderr


def test_an_image_is_required(labels):
    assert run(labels).exit_code == 2


def test_stains_of_tissue_are_measured_beside_its_colours(labels, tmp_path):
    tissue = samples.stained_tissue(shape=(20, 30), diameter=8.0, count=4).image
    iio.imwrite(tmp_path / "he.png", tissue)
    result = run(labels, tmp_path / "he.png")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(io.StringIO(result.stdout))
    assert {"he_red_mean", "he_haematoxylin_od_mean", "he_dab_od_mean"} <= set(table.columns)
    density = hed_from_rgb[:, 0] @ -np.log10(tissue.reshape(-1, 3).T / 255)
    expected = [np.maximum(density, 0)[(label == LABELS).ravel()].mean() for label in (1, 5)]
    np.testing.assert_allclose(table["he_haematoxylin_od_mean"], expected, rtol=1e-4)


def test_cells_rings_and_a_gate_on_the_command_line(labels, image, tmp_path):
    result = run(labels, image, "--cell", "1um", "--ring", "1µm", "--gap", "0.5um", "--gate", "cells_mean_cell > 200")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(io.StringIO(result.stdout))
    grown = expand_labels(LABELS, 2)
    assert table["cell_area_px"].tolist() == [(grown == label).sum() for label in (1, 5)]
    assert table["cells_mean_cell"].tolist() == pytest.approx([IMAGE[grown == label].mean() for label in (1, 5)])
    assert table["positive"].tolist() == [False, True]
    assert "cells_mean_cell > 200: 1 of 2 (50.0 %) positive" in result.stderr


def test_classes_on_the_command_line(labels, image, tmp_path):
    table = pd.DataFrame({"area_px": [10, 60], "other_mean": [1.0, 2.0]})
    write_classes(tmp_path / "sizes.json", NucleusClasses.taught(table, ["small", "large"]))
    result = run(labels, image, "--classes", tmp_path / "sizes.json")
    assert result.exit_code == 0, result.output
    found = pd.read_csv(io.StringIO(result.stdout))
    assert set(found["class"]) <= {"small", "large"}
    assert found["class_probability"].between(0.5, 1).all()
    assert "Classes: small" in result.stderr
    assert "'cells' for 'other'" in result.stderr
    assert "unlike all examples in other_mean" in result.stderr


def test_given_cells_are_matched_and_what_does_not_fit_is_told(labels, image, tmp_path):
    cells = np.zeros_like(LABELS)
    cells[0:9, 0:9] = 3
    write_labels(tmp_path / "cells_of_another.tif", cells)
    result = run(labels, image, "--cells", tmp_path / "cells_of_another.tif")
    assert result.exit_code == 0, result.output
    assert pd.read_csv(io.StringIO(result.stdout))["cell"].tolist() == [3, 0]
    assert "1 nucleus lies in no cell." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell", "5"], "is not a distance"),
        (["--cell", "5um", "--ring", "3px"], "all in px"),
        (["--gap", "1px"], "needs a ring"),
        (["--cell", "5um", "--cells", "x.tif"], "or labels of cells"),
        (["--gate", "big"], "is not a gate"),
    ],
)
def test_what_cannot_be_drawn_or_asked_is_refused_before_anything_is_read(labels, image, arguments, message):
    result = run(labels, image, *arguments)
    assert result.exit_code in (1, 2)
    assert message in " ".join((result.output + str(result.exception)).replace("│", "").split())


def test_a_distance_in_micrometres_needs_a_pixel_size(image, tmp_path):
    write_labels(tmp_path / "bare.tif", LABELS)
    result = run(tmp_path / "bare.tif", image, "--cell", "5um")
    assert result.exit_code == 1
    assert "give their width in pixels" in " ".join(result.output.split())


def test_regions_and_spots_on_the_command_line(labels, image, tmp_path):
    feature = {
        "type": "Feature",
        "properties": {"name": "gland"},
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]},
    }
    (tmp_path / "r.geojson").write_text(json.dumps(feature))
    (tmp_path / "foci.csv").write_text("y,x\n3,3\n4,5\n12,20\n0,0\n")
    out = tmp_path / "t.csv"
    result = run(labels, image, "--regions", tmp_path / "r.geojson", "--spots", tmp_path / "foci.csv", "--out", out)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out, keep_default_na=False)
    assert table["region"].tolist() == ["gland", ""]
    assert table["foci_count"].tolist() == [2, 1]
    counts = pd.read_csv(tmp_path / "t_regions.csv")
    assert counts[["region", "nuclei", "area_px"]].to_numpy().tolist() == [["gland", 1, 100]]
    assert counts["nuclei_per_mm2"].tolist() == pytest.approx([1 / 25e-6])
    assert "gland" in result.stderr


def test_spots_are_found_in_a_channel_by_name_and_size(labels, tmp_path):
    picture = np.full((20, 30), 100.0, np.float32) + np.random.default_rng(0).normal(0, 1, (20, 30)).astype(np.float32)
    picture[4:6, 4:6] += 60
    tifffile.imwrite(tmp_path / "gfp.tif", picture)
    result = run(labels, tmp_path / "gfp.tif", "--spots-in", "gfp=1um")
    assert result.exit_code == 0, result.output
    assert pd.read_csv(io.StringIO(result.stdout))["gfp_spots_count"].tolist() == [1, 0]
    assert "1 spots found in 'gfp'" in result.stderr
    result = run(labels, tmp_path / "gfp.tif", "--spots-in", "Cy5=4px")
    assert result.exit_code == 1
    assert "There is gfp" in result.output


def test_nuclei_that_keep_their_number_from_plane_to_plane_are_volumes(tmp_path):
    sample = samples.z_stack()
    sizes = {"PhysicalSizeX": 0.33, "PhysicalSizeY": 0.33, "PhysicalSizeZ": 1.0}
    tifffile.imwrite(tmp_path / "stack.ome.tif", sample.image, metadata={"axes": "ZYX", **sizes})
    tifffile.imwrite(tmp_path / "labels.ome.tif", sample.labels, metadata={"axes": "ZYX", **sizes})
    table = pd.read_csv(io.StringIO(run(tmp_path / "labels.ome.tif", tmp_path / "stack.ome.tif").stdout))
    ids, voxels = np.unique(sample.labels[sample.labels > 0], return_counts=True)
    assert table["label"].tolist() == ids.tolist()
    assert table["volume_um3"].to_numpy() == pytest.approx(voxels * 0.33**2)
    assert "stack_mean" in table.columns
    around = run(tmp_path / "labels.ome.tif", tmp_path / "stack.ome.tif", "--ring", "2px")
    assert {"ring_voxels", "stack_mean_ring"} <= set(pd.read_csv(io.StringIO(around.stdout)).columns)
    refused = run(tmp_path / "labels.ome.tif", tmp_path / "stack.ome.tif", "--spots-in", "stack=3px")
    assert refused.exit_code == 1
    assert "plane by plane" in refused.output


def test_files_with_several_images_are_measured_in_step_or_one_is_chosen(tmp_path):
    one, other = LABELS, np.where(LABELS == 5, 9, 0)[:, ::-1].astype(np.int32)
    for name, pages in (("labels.tif", (one, other)), ("image.tif", (IMAGE, IMAGE * 2))):
        with tifffile.TiffWriter(tmp_path / name) as writer:
            for number, page in enumerate(pages):  # two pages of one shape would be a stack
                writer.write(page[: 20 - number], metadata=None)
    both = pd.read_csv(io.StringIO(run(tmp_path / "labels.tif", tmp_path / "image.tif").stdout), dtype={"series": str})
    assert both[["series", "label"]].to_numpy().tolist() == [["0", 1], ["0", 5], ["1", 9]]
    assert both["image_mean"].iloc[2] == (IMAGE * 2)[other > 0].mean()
    chosen = run(tmp_path / "labels.tif", tmp_path / "image.tif", "--series", 1)
    assert pd.read_csv(io.StringIO(chosen.stdout))["label"].tolist() == [9]
    assert "Left out, of" in chosen.stderr


def test_a_choice_among_the_images_of_single_ones_is_refused(labels, image):
    result = run(labels, image, "--series", "0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no effect: leave it out" in result.stderr


def test_labels_and_image_in_the_wrong_order_are_noticed(labels, tmp_path):
    noisy = np.random.default_rng(0).poisson(40, (20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", noisy)
    result = run(tmp_path / "cells.tif", labels)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cells.tif is no label image" in result.stderr
    assert "in the wrong order?" in result.stderr


def test_surfaces_of_nuclei_in_stacks_go_into_a_file_and_those_of_planes_are_refused(labels, image, tmp_path):
    stack = np.zeros((8, 20, 30), np.int32)
    stack[2:6, 4:14, 6:20] = 3
    write_labels(tmp_path / "stack.tif", stack, axes="ZYX", pixel_size=PixelSize(0.5, 0.5, 1.0), provenance={})
    tifffile.imwrite(tmp_path / "image.tif", stack.astype(np.uint16), metadata={"axes": "ZYX"}, imagej=True)
    meshes = tmp_path / "surfaces.obj"
    result = run(tmp_path / "stack.tif", tmp_path / "image.tif", "--out", tmp_path / "t.csv", "--meshes", meshes)
    assert result.exit_code == 0, result.output
    assert f"{meshes}: 1 surface" in result.stderr
    assert meshes.read_text().startswith("# nuclei, x y z in micrometres\no nucleus_3\nv ")
    refused = run(labels, image, "--meshes", tmp_path / "none.obj")
    assert refused.exit_code == 1
    assert "single planes" in refused.stderr
    assert not (tmp_path / "none.obj").exists()
