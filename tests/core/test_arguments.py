"""Whatever is passed to a public function, it works or raises a NucleiError that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import napari_unet_nuclei as nuclei
from napari_unet_nuclei import CellSettings, Gate, NucleiError, PixelSize, SegmentSettings, SettingsError, Silent

WRONG = (
    None,
    3,
    -2.5,
    True,
    1j,
    float("nan"),
    "nowhere.tif",
    b"bytes",
    Path("nowhere"),
    [],
    [None],
    (1,),
    {},
    {"a": None},
    object(),
    len,
    np.zeros(5),
    np.zeros((0, 5)),
    np.zeros((1,) * 7),
    np.array(["a", "b"]),
    np.zeros((4, 4), complex),
)

LABELS = np.zeros((9, 9), int)
LABELS[2:6, 2:6] = 7

MEASURED = {"axes": "YX", "pixel_size_y": 1.0, "pixel_size_x": 1.0, "around": CellSettings(), "progress": Silent()}
REQUEST = {"model": "nuclei", "axes": "YX", "channel_names": (), "pixel_size": None, "plane": (), "region": None}
FOLDER = {"model": "nuclei", "axes": "", "plane": {}, "region": None, "series": "", "block": 0, "executor": None}
CALLS: dict[str, tuple[Callable[..., object], dict[str, object]]] = {
    "measure": (nuclei.measure, {"labels": LABELS, "images": {"a": LABELS}, "means": {}, "spots": {}, **MEASURED}),
    "compare_labels": (nuclei.compare_labels, {"truth": LABELS, "predicted": LABELS}),
    "evaluate": (nuclei.evaluate, {"predictions": "a.tif", "labels": "a.tif", "series": "", "progress": None}),
    "evaluate_classes": (nuclei.evaluate_classes, {"predictions": "a", "labels": "a", "coding": None, "series": 0}),
    "read_image": (nuclei.read_image, {"path": "a.tif", "series": None}),
    "read_labels": (nuclei.read_labels, {"path": "a.tif", "size": None, "series": None}),
    "read_settings": (nuclei.read_settings, {"path": "a.json", "kind": SegmentSettings}),
    "read_card": (nuclei.read_card, {"path": "a"}),
    "load_model": (nuclei.load_model, {"name": "a"}),
    "track": (nuclei.track, {"labels": np.stack([LABELS] * 2), "axes": "TYX", "pixel_size": None, "minutes": 1.0}),
    "write_labels": (nuclei.write_labels, {"path": "l.tif", "labels": LABELS, "axes": "YX", "pixel_size": PixelSize()}),
    "write_overlay": (nuclei.write_overlay, {"path": "o.png", "image_plane": LABELS, "labels_plane": LABELS}),
    "segment": (nuclei.segment, {"image": "a.tif", "level": 0, "progress": None, "diameter": 9.0, **REQUEST}),
    "segment_folder": (nuclei.segment_folder, {"images": ["a.tif"], "out": "out", **FOLDER}),
    "segment_slide": (nuclei.segment_slide, {"image": "a.tif", "out": "o.zarr", "table": None, "block": 0, **REQUEST}),
    "train": (nuclei.train, {"datasets": "a", "out": "m.safetensors", "base": "", "in_channels": 0, "where": ()}),
    "finetune": (
        nuclei.finetune,
        {"base": "nuclei", "images": "i", "labels": "l", "out": "o", "channel": "", "kind": "auto"},
    ),
    "gate": (Gate.of, {"text": "a > 1"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments_are_refused_in_words(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    function, right = CALLS[name]
    bare = []
    for argument in right:
        for number, wrong in enumerate(WRONG):
            try:
                function(**{**right, argument: wrong})
            except NucleiError:
                pass
            except Exception as error:  # noqa: BLE001  # which is what must not happen
                bare.append(f"{argument}={WRONG[number]!r:.30}: {type(error).__name__}: {error!s:.60}")
    assert bare == []


def test_the_message_names_argument_value_and_what_it_is_to_be() -> None:
    with pytest.raises(SettingsError, match=r"segment: 'axes' is 3, but it is to be str"):
        nuclei.segment(LABELS, axes=3)
    with pytest.raises(SettingsError, match=r"'region' is \(0, 5\), but it is to be"):
        nuclei.segment(LABELS, region=(0, 5))


def test_numbers_of_numpy_and_lists_for_tuples_are_fine() -> None:
    table = nuclei.measure(LABELS, axes="YX", pixel_size_y=np.float32(0.5), pixel_size_x=np.int64(1), origin=[0, 0])
    assert table["area_um2"].tolist() == [8.0]


def test_labels_of_one_plane_with_an_axis_in_front_are_compared_as_they_are_measured() -> None:
    assert nuclei.compare_labels(LABELS[None], LABELS).scores.f1[0] == 1
    assert nuclei.measure(LABELS[None], {"a": LABELS})["a_mean"].tolist() == [7.0]


def test_masked_ids_stay_whole_numbers() -> None:
    ids = np.ma.masked_where(LABELS == 0, LABELS.astype(np.int64) * (2**60 + 1))
    assert nuclei.measure(ids)["label"].tolist() == [7 * (2**60 + 1)]
    assert nuclei.compare_labels(ids, LABELS).scores.f1[0] == 1
