import zipfile
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError, OutputFileError
from napari_unet_nuclei.core.folder.plan import plan_files


@pytest.fixture
def make(tmp_path):
    """Make image files (of which a plan knows the names alone) and return their paths."""

    def files(*names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return paths

    return files


def labels(plan, out):
    return [file.labels.relative_to(out).as_posix() for file in plan.files]


def test_results_are_named_after_their_image(make, tmp_path):
    (image,) = make("cells.ome.tif")
    (file,) = plan_files([image], tmp_path / "out").files
    assert (file.image, file.labels, file.table) == (
        image,
        tmp_path / "out" / "cells_labels.tif",
        tmp_path / "out" / "cells_table.csv",
    )


def test_subfolders_are_mirrored(make, tmp_path):
    make("in/a.png", "in/day/a.png", "in/day/deep/a.png")
    plan = plan_files([tmp_path / "in"], tmp_path / "out")
    assert labels(plan, tmp_path / "out") == ["a_labels.tif", "day/a_labels.tif", "day/deep/a_labels.tif"]


def test_subfolders_can_be_left_out(make, tmp_path):
    make("in/a.png", "in/day/b.png")
    assert labels(plan_files([tmp_path / "in"], tmp_path, recursive=False), tmp_path) == ["a_labels.tif"]


def test_several_folders_keep_their_names(make, tmp_path):
    make("in/one/a.png", "in/two/a.png")
    plan = plan_files([tmp_path / "in" / "one", tmp_path / "in" / "two"], tmp_path / "out")
    assert labels(plan, tmp_path / "out") == ["one/a_labels.tif", "two/a_labels.tif"]


def test_a_pattern_names_results_from_the_folder_before_it(make, tmp_path):
    make("in/one/a.png", "in/two/a.png")
    plan = plan_files([tmp_path / "in" / "*" / "*.png"], tmp_path / "out")
    assert labels(plan, tmp_path / "out") == ["one/a_labels.tif", "two/a_labels.tif"]


def test_one_stem_with_two_endings_gives_two_results(make, tmp_path):
    images = make("a.png", "a.tif", "A.ome.tif", "a_tif.png")
    names = labels(plan_files(images, tmp_path / "out"), tmp_path / "out")
    assert names == ["a_png_labels.tif", "a_tif_labels.tif", "A_ome_tif_labels.tif", "a_tif_2_labels.tif"]


def test_a_file_that_is_given_twice_is_planned_once(make, tmp_path):
    (image,) = make("in/a.png")
    assert len(plan_files([image, tmp_path / "in"], tmp_path / "out").files) == 1


def test_labels_of_an_earlier_run_are_left_out(make, tmp_path):
    make("in/a.png", "in/a_labels.tif", "in/results/b_labels.tif")
    plan = plan_files([tmp_path / "in"], tmp_path / "in")
    assert labels(plan, tmp_path / "in") == ["a_labels.tif"]
    assert plan.left_out == 2


MASKS = ("a_cp_masks.png", "a_masks.tif", "a_seg.npy", "a_mask.png", "a_labels.tif", "a_rois.zip", "a.geojson")


def test_masks_beside_images_are_left_out_and_said_once(make, tmp_path):
    make("in/a.tif", "in/notes.txt", *(f"in/{name}" for name in MASKS))
    with zipfile.ZipFile(tmp_path / "in" / "a_rois.zip", "w") as archive:
        archive.writestr("1.roi", b"")
    plan = plan_files([tmp_path / "in"], tmp_path / "out")
    assert labels(plan, tmp_path / "out") == ["a_labels.tif"]
    assert {path.name for path in plan.masks} == set(MASKS)
    assert [path.name for path in plan.passed_over] == ["notes.txt"]
    [said] = [one for one in plan.remarks if "masks" in one]
    assert said.startswith("7 masks and outlines beside the images are left out")
    assert "give it by its name" in said


def test_what_is_named_like_a_mask_is_an_image_if_it_is_given_by_its_name(make, tmp_path):
    [image] = make("in/a_mask.tif")
    assert [file.image for file in plan_files([image], tmp_path / "out").files] == [image]
    assert len(plan_files([tmp_path / "in" / "*_mask.tif"], tmp_path / "out").files) == 1
    with pytest.raises(ImageFileError, match=r"no image but, by their names, masks \(a_mask\.tif\)"):
        plan_files([tmp_path / "in"], tmp_path / "out")
    with pytest.raises(ImageFileError, match="give it by its name"):
        plan_files([tmp_path / "in" / "*.tif"], tmp_path / "out")


def test_overlays_of_an_earlier_run_are_left_out_too(make, tmp_path):
    make("in/a.png", "in/a_overlay.png", "in/a_labels.ome.tif")
    assert plan_files([tmp_path / "in"], tmp_path / "in").left_out == 2


def test_labels_in_another_format_have_another_ending(make, tmp_path):
    make("day 1/a.png")
    (file,) = plan_files([tmp_path], tmp_path / "out", labels_format="ome.tif").files
    assert file.labels == tmp_path / "out" / "day 1" / "a_labels.ome.tif"
    assert file.record(".json") == tmp_path / "out" / ".nuclei" / "day 1" / "a.json"


def test_a_result_that_would_overwrite_an_image_is_refused(make, tmp_path):
    images = make("a.png", "a_labels.tif")
    with pytest.raises(OutputFileError, match=r"a_labels\.tif"):
        plan_files(images, tmp_path)


def test_what_is_missing_is_told_and_the_rest_planned(make, tmp_path):
    (image,) = make("a.png")
    plan = plan_files([tmp_path / "gone.png", image], tmp_path / "out")
    assert len(plan.files) == 1
    ((path, reason),) = plan.unusable
    assert path == str(tmp_path / "gone.png")
    assert "does not exist" in reason


def test_where_there_is_no_image_at_all_the_reason_is_the_error(tmp_path):
    with pytest.raises(ImageFileError, match=r"gone\.png does not exist"):
        plan_files([tmp_path / "gone.png"], tmp_path / "out")
