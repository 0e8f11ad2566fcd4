from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.evaluate import compare_files, evaluate, evaluate_classes
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.core.labels.metrics.comparison import compare_labels
from napari_unet_nuclei.core.progress import Cancelled

TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]])
FOUND = np.array([[5, 5, 5, 0, 0, 7, 7, 9, 0]])


def write(path: Path, labels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        iio.imwrite(path, labels.astype(np.uint16))
    else:
        tifffile.imwrite(path, labels.astype(np.int32), **options)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and true labels of two images, named as the program and as data sets name them."""
    write(tmp_path / "found" / "a_labels.tif", FOUND)
    write(tmp_path / "found" / "b.tif", TRUTH)
    write(tmp_path / "true" / "a.png", TRUTH)
    write(tmp_path / "true" / "b.png", TRUTH)
    return tmp_path / "found", tmp_path / "true"


def test_files_of_matching_names_are_compared(folders, recording):
    progress = recording()
    evaluation = evaluate(*folders, progress)
    assert [image.name for image in evaluation.images] == ["a", "b"]
    assert evaluation.problems == ()
    assert evaluation.pooled.average_precision[0] == pytest.approx(5 / 7)
    assert evaluation.per_image.average_precision[0] == pytest.approx((2 / 4 + 1) / 2)
    assert evaluation.total.matches.true_count == 6
    assert progress.fractions[-1] == 1


def test_two_files_are_compared_whatever_their_names(folders):
    [image] = evaluate(folders[0] / "a_labels.tif", folders[1] / "b.png").images
    assert image.comparison.scores.f1[0] == compare_labels(TRUTH, FOUND).scores.f1[0]


def test_what_cannot_be_compared_is_named_and_the_rest_is_compared(folders):
    found, true = folders
    write(found / "extra.tif", FOUND)
    write(true / "lost.png", TRUTH)
    write(found / "cut_labels.tif", FOUND[:, :4])
    write(true / "cut.png", TRUTH)
    write(found / "broken.tif", FOUND).write_bytes(b"II*\0")
    write(true / "broken.png", TRUTH)
    tifffile.imwrite(found / "probabilities.tif", np.full((1, 9), 0.5, np.float32))
    write(true / "probabilities.png", TRUTH)
    evaluation = evaluate(found, true)
    assert [image.name for image in evaluation.images] == ["a", "b"]
    for told in ("extra.tif has no partner", "lost.png has no partner", "cut_labels.tif has the shape (1, 4)"):
        assert any(told in problem for problem in evaluation.problems), told
    assert any("broken.tif" in problem for problem in evaluation.problems)
    assert any("probabilities.tif" in problem and "fractions" in problem for problem in evaluation.problems)
    assert len(evaluation.problems) == 5


def test_where_nothing_can_be_compared_it_says_why(tmp_path):
    write(tmp_path / "found" / "a.tif", FOUND)
    write(tmp_path / "true" / "b.tif", TRUTH)
    with pytest.raises(ImageFileError, match=r"Nothing could be compared.*b\.tif.*a\.tif"):
        evaluate(tmp_path / "found", tmp_path / "true")


def test_a_file_is_not_compared_with_a_folder(folders):
    with pytest.raises(ImageFileError, match="two files or two folders"):
        evaluate(folders[0], folders[1] / "a.png")


def test_planes_of_a_stack_are_compared_each_on_its_own(tmp_path):
    # Plane by plane, ids need not go on from one plane to the next.
    found = write(tmp_path / "found.tif", np.stack([TRUTH, TRUTH[:, ::-1]]), metadata={"axes": "ZYX"})
    true = write(tmp_path / "true.tif", np.stack([TRUTH, 10 * TRUTH[:, ::-1]]), metadata={"axes": "ZYX"})
    comparison = compare_files(found, true)
    assert comparison.matches.true_count == 6
    assert comparison.scores.panoptic_quality == 1


def test_a_stack_of_one_plane_fits_a_plane(tmp_path):
    found = write(tmp_path / "found.tif", TRUTH[None], metadata={"axes": "ZYX"})
    assert compare_files(found, write(tmp_path / "true.png", TRUTH)).scores.panoptic_quality == 1


def test_colours_are_no_labels(folders, tmp_path):
    iio.imwrite(tmp_path / "colours.png", np.arange(27, dtype=np.uint8).reshape(1, 9, 3))
    with pytest.raises(ImageFileError, match=r"colours\.png has 3 channels"):
        evaluate(tmp_path / "colours.png", folders[1] / "a.png")


def test_it_can_be_cancelled(folders, recording):
    with pytest.raises(Cancelled):
        evaluate(*folders, recording(cancel_after=2))


def test_classes_of_matching_files_are_compared(tmp_path, recording):
    truth = np.array([[0, 0, 1, 2, 2, 255]])
    write(tmp_path / "true" / "a.png", truth)
    write(tmp_path / "found" / "a_labels.tif", np.array([[0, 1, 1, 2, 2, 0]]))
    write(tmp_path / "true" / "b.png", np.array([[1, 1]]))
    write(tmp_path / "found" / "b_labels.tif", np.array([[1, 1]]))
    progress = recording()
    evaluation = evaluate_classes(tmp_path / "found", tmp_path / "true", ClassCoding(void=255), progress)
    assert [image.name for image in evaluation.images] == ["a", "b"]
    assert evaluation.total.iou.tolist() == [1 / 2, 3 / 4, 1]
    assert evaluation.images[0].counts.iou.tolist() == [1 / 2, 1 / 2, 1]
    assert evaluation.total.pixels == 7
    assert progress.fractions[-1] == 1


def test_true_classes_may_stand_in_a_channel_and_predicted_ones_need_none(tmp_path):
    truth = np.zeros((2, 3, 3), np.uint8)
    truth[..., 0], truth[..., 1] = [[0, 1, 2], [0, 1, 2]], 77
    iio.imwrite(tmp_path / "true.png", truth)
    found = write(tmp_path / "found.tif", truth[..., 0])
    assert evaluate_classes(found, tmp_path / "true.png", ClassCoding(channel=0)).total.mean_iou == 1
    with pytest.raises(ImageFileError, match=r"true\.png.*colours"):
        evaluate_classes(found, tmp_path / "true.png")


def test_classes_of_stacks_are_compared_plane_by_plane(tmp_path):
    truth = np.arange(24).reshape(2, 3, 4) % 3
    found = write(tmp_path / "found.tif", np.minimum(truth, 1), metadata={"axes": "ZYX"})
    true = write(tmp_path / "true.tif", truth, metadata={"axes": "ZYX"})
    assert evaluate_classes(found, true).total.iou.tolist() == [1, 1 / 2, 0]


def test_classes_of_another_shape_and_ids_of_nuclei_are_problems(tmp_path):
    write(tmp_path / "true" / "a.tif", np.array([[0, 1]]))
    write(tmp_path / "found" / "a.tif", np.array([[0, 1, 1]]))
    write(tmp_path / "true" / "b.tif", np.array([[0, 1]]))
    write(tmp_path / "found" / "b.tif", np.array([[0, 1000]]))
    write(tmp_path / "true" / "c.tif", np.array([[0, 1]]))
    write(tmp_path / "found" / "c.tif", np.array([[0, 1]]))
    evaluation = evaluate_classes(tmp_path / "found", tmp_path / "true")
    assert [image.name for image in evaluation.images] == ["c"]
    assert "a.tif has the shape (1, 3)" in evaluation.problems[0]
    assert "b.tif: The labels contain the id 1000" in evaluation.problems[1]


@pytest.mark.parametrize(("name", "write_outlines"), [("a_rois.zip", write_imagej_rois), ("a.geojson", write_geojson)])
def test_outlines_are_labels_too(folders, name, write_outlines, recording):
    found, true = folders
    (true / "a.png").unlink()
    write_outlines(true / name, TRUTH)
    evaluation = evaluate(found, true, recording())
    assert evaluation.pooled.average_precision[0] == pytest.approx(5 / 7)
    assert evaluation.problems == ()


def test_outlines_that_overlap_are_told(tmp_path, recording):
    ring = [[0, 0], [6, 0], [6, 6], [0, 6], [0, 0]]
    shapes = [{"type": "Polygon", "coordinates": [[[x + shift, y] for x, y in ring]]} for shift in (0, 4)]
    features = [{"type": "Feature", "geometry": shape, "properties": {}} for shape in shapes]
    (tmp_path / "true.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    progress = recording()
    evaluate(write(tmp_path / "found.tif", np.ones((8, 12))), tmp_path / "true.geojson", progress)
    assert "true.geojson: outlines overlap in 12 pixels, which went to the smaller nucleus." in progress.notices


def write_pages(path: Path, pages: list[np.ndarray]) -> Path:
    """Write images of different shapes into one file, which are not a stack."""
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page.astype(np.int32), metadata=None)
    return path


def test_images_of_one_file_are_compared_with_those_of_the_other_or_one_is_chosen(tmp_path, recording):
    found = write_pages(tmp_path / "found.tif", [FOUND, np.vstack([TRUTH, TRUTH])])
    true = write_pages(tmp_path / "true.tif", [TRUTH, np.vstack([TRUTH, TRUTH])])
    both = evaluate(found, true)
    assert [(image.name, image.comparison.scores.f1[0]) for image in both.images][1] == ("true [1]", 1.0)
    assert [image.name for image in evaluate(found, true, series=0).images] == ["true [0]"]
    assert [image.name for image in evaluate_classes(found, true, series="1").images] == ["true [1]"]
    with pytest.raises(ImageFileError, match=r"three.tif holds 3 .* and .*found.tif 2:"):
        evaluate(found, write_pages(tmp_path / "three.tif", [TRUTH, TRUTH[:, 1:], TRUTH[:, 2:]]))
    with pytest.raises(ImageFileError, match="no effect: leave it out"):
        evaluate(write(tmp_path / "a.tif", FOUND), write(tmp_path / "b.tif", TRUTH), series="all")


def test_class_ids_that_were_saved_with_loss_are_refused_but_not_masks(tmp_path):
    mask = np.kron(np.eye(4, dtype=np.uint8), np.full((16, 16), 255, np.uint8))
    iio.imwrite(tmp_path / "a.jpg", mask)
    assert evaluate_classes(tmp_path / "a.jpg", tmp_path / "a.jpg", ClassCoding(binary=True)).total.mean_iou == 1
    with pytest.raises(ImageFileError, match="compressed with loss"):
        evaluate_classes(tmp_path / "a.jpg", tmp_path / "a.jpg")
