from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.decode import TUNED, DecodeThresholds
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.segment import fingerprint
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult, StackDecoder
from napari_unet_nuclei.core.segment.run import run_segment, segment
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

IMAGE = np.stack([fluorescent_nuclei(seed=seed, shape=(120, 110), diameter=22, count=10).image for seed in (0, 1)])


@pytest.fixture(scope="module")
def result() -> SegmentResult:
    return segment(IMAGE, axes="TYX", diameter=30.0, device="cpu")


def test_cached_maps_decode_to_the_fresh_result(result):
    again = result.decode(result.thresholds)
    assert np.array_equal(again.labels, result.labels)


@pytest.mark.parametrize(
    "thresholds", [(0.7, 0.3, 50, 0.9), (0.2, 0.7, 1, 0.0), (0.9, 0.5, 200, 0.95), (0.9, 0.2, 200, 0.1)]
)
def test_other_thresholds_on_cached_maps_are_what_a_fresh_run_gives(result, thresholds):
    given = dict(zip(TUNED, thresholds, strict=True))
    cached = result.decode(replace(result.thresholds, **given))
    fresh = segment(IMAGE, axes="TYX", diameter=30.0, device="cpu", **given)
    assert np.array_equal(cached.labels, fresh.labels)
    assert cached.thresholds == fresh.thresholds
    assert cached.provenance["settings"] == fresh.provenance["settings"]
    assert cached.count == fresh.count == len(fresh.scores)
    assert np.array_equal(cached.scores, fresh.scores)


def test_decoding_anew_leaves_the_first_result_alone(result):
    labels, settings = result.labels.copy(), dict(result.provenance["settings"])
    result.decode(DecodeThresholds(0.99, 0.9, 1000))
    assert np.array_equal(result.labels, labels)
    assert result.provenance["settings"] == settings
    assert result.thresholds == result.model_thresholds


def test_what_a_person_changed_has_no_score(result):
    labels = result.labels.copy()
    labels[labels == 2] = 5000
    labels[0][labels[0] == 3] = 1
    edited = result.edited(labels)
    assert np.flatnonzero(np.isnan(edited.scores)).tolist() == [0, 1, 2]
    assert not np.isnan(result.scores).any()
    assert edited.provenance["edited"]
    table = measure_result(edited, SegmentRequest(ImageSource(IMAGE, "TYX")))
    assert np.isnan(table.set_index("label").loc[[1, 5000], "score"]).all()
    assert table["score"].notna().sum() == result.count - 3


def test_decoding_anew_stops_between_planes(result):
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        result.decode(result.thresholds, stop)


def test_ids_of_decoded_stacks_are_unique_and_without_gaps():
    maps = np.zeros((3, 3, 20, 20), np.uint8)
    maps[0, 0, 2:6, 2:6] = maps[2, 0, 2:6, 2:6] = maps[2, 0, 10:15, 10:15] = 255
    maps[2, 0, 10:15, 10:15] = 190
    found = StackDecoder(maps, 1.0).decode(DecodeThresholds(0.5, 0.5, 1))
    assert [np.unique(plane).tolist() for plane in found.labels] == [[0, 1], [0], [0, 2, 3]]
    assert found.scores.round(2).tolist() == [1.0, 1.0, 0.75]


def test_planes_that_are_not_kept_decode_alike(monkeypatch, result):
    kept = result.decode(replace(result.thresholds, split=0.1))
    monkeypatch.setattr("napari_unet_nuclei.core.segment.decoders.GRAPHED_PIXELS", 120 * 110)
    decoder = StackDecoder(result.maps, result.thresholds.scale)
    for thresholds in (result.thresholds, kept.thresholds):
        assert np.array_equal(decoder.decode(thresholds).labels, result.decode(thresholds).labels)


def test_a_slider_finds_no_basins_again(monkeypatch, result):
    result.decode(result.thresholds)
    monkeypatch.setattr("napari_unet_nuclei.core.labels.decode.find_basins", None)
    for name, value in (("split", 0.1), ("score", 0.3), ("min_size", 100)):
        result.decode(replace(result.thresholds, **{name: value}))
    with pytest.raises(TypeError):
        result.decode(replace(result.thresholds, foreground=0.123))


def test_provenance_is_plain_json_and_says_everything(result):
    wanted = segment(IMAGE, axes="TYX", device="cpu", plane=(1,), region=(0, 60, 0, 50), pixel_size=PixelSize(0.3, 0.2))
    again = json.loads(json.dumps(wanted.provenance, allow_nan=False))
    assert again == wanted.provenance
    assert again["model"] == wanted.model
    assert len(again["model_hash"]) == len(again["image_hash"]) == 64
    assert again["settings"] == SegmentSettings(device="cpu").model_dump()
    assert (again["plane"], again["region"], again["axes"]) == ([1], [0, 60, 0, 50], "TYX")
    assert again["pixel_size_um"] == [0.3, 0.2]
    assert again["diameter"] == pytest.approx(wanted.diameter, abs=0.001)
    assert again["precision"] in ("float32", "bfloat16")
    assert {"napari-unet-nuclei", "torch", "numpy"} <= again["versions"].keys()
    assert all(version[0].isdigit() for version in again["versions"].values())
    said = datetime.fromisoformat(again["time"])
    assert timedelta(0) <= datetime.now(UTC) - said < timedelta(minutes=5)
    assert result.provenance["region"] is None


def test_the_file_is_written_down(tiny_model_file):
    source = ImageSource(IMAGE[0], "YX")
    request = SegmentRequest(source, SegmentSettings(device="cpu"), str(tiny_model_file), file="/images/a.tif")
    assert run_segment(request, Silent()).provenance["file"] == "/images/a.tif"


def hash_of(image: np.ndarray, tiny_model_file, **chosen) -> str:
    return segment(image, str(tiny_model_file), diameter=22, device="cpu", **chosen).provenance["image_hash"]


def test_the_hash_tells_images_apart_by_what_was_segmented(tiny_model_file):
    image = IMAGE[0, :64, :64]
    reference = hash_of(image, tiny_model_file)
    assert hash_of(image.astype(">u2"), tiny_model_file) == reference
    assert hash_of(image.copy(order="F"), tiny_model_file) == reference
    changed = image.copy()
    changed[63, 63] ^= 1
    assert hash_of(changed, tiny_model_file) != reference
    assert hash_of(image.reshape(32, 128), tiny_model_file) != reference
    assert hash_of(changed, tiny_model_file, region=(0, 32, 0, 64)) == hash_of(
        image, tiny_model_file, region=(0, 32, 0, 64)
    )


def test_very_large_images_are_hashed_by_a_sample(monkeypatch, tiny_model_file):
    whole = hash_of(IMAGE[0], tiny_model_file)
    monkeypatch.setattr(fingerprint, "CACHED_PIXELS", 10)
    monkeypatch.setattr(fingerprint, "sampled_rows", lambda region: ((0, 1, *region[2:]),))
    beside = IMAGE[0].copy()
    beside[5] += 1
    assert hash_of(beside, tiny_model_file) == hash_of(IMAGE[0], tiny_model_file) != whole
