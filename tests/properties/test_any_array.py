"""Whatever array is given, there is a result or a `NucleiError` that says what to do: never another exception."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.write import write_labels, write_overlay
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.labels.metrics.comparison import compare_labels
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.effort import some_examples
from tests.helpers.tiny import write_tiny_model

KINDS = [
    "?",
    "u1",
    "u2",
    ">u4",
    "u8",
    "i1",
    "i4",
    "i8",
    "f2",
    "f4",
    ">f8",
    "g",
    "F",
    "D",
    "O",
    "U3",
    "S2",
    "M8[s]",
    "m8[s]",
]
LENGTHS = st.sampled_from([0, 1, 2, 3, 4, 5, 17, 33])
SHAPES = st.lists(LENGTHS, min_size=0, max_size=6).map(tuple).filter(lambda shape: np.prod(shape) < 40_000)
VALUES = st.sampled_from(["zero", "noise", "nan", "inf", "largest", "below 0", "one pixel"])
FORMS = st.sampled_from(["array", "list", "masked", "fortran", "memmap"])


def drawn(kind: str, shape: tuple[int, ...], values: str) -> np.ndarray:
    noise = np.random.default_rng(len(shape)).integers(0, 100, shape)
    with np.errstate(all="ignore"):
        array = noise.astype(kind) if kind != "O" else noise.astype(object)
        if values == "zero" or np.dtype(kind).kind not in "biufc":
            return array if values != "zero" else np.zeros(shape, kind)
        if values in ("nan", "inf") and np.dtype(kind).kind in "fc":
            array[...] = float(values)
        elif values == "largest":
            array[...] = np.finfo(kind).max if np.dtype(kind).kind in "fc" else np.iinfo(kind).max if kind != "?" else 1
        elif values == "below 0" and np.dtype(kind).kind in "if":
            array -= np.array(99, kind)
        elif values == "one pixel" and array.size:
            array[...] = 0
            array.flat[array.size // 2] = 1
    return array


def formed(array: np.ndarray, form: str, folder: Path) -> object:
    if form == "list":
        return array.tolist()
    if form == "masked":
        return np.ma.masked_array(array, np.ones(array.shape, bool))
    if form == "memmap" and array.size and array.dtype.kind in "biuf":
        np.save(folder / "a.npy", array)
        return np.load(folder / "a.npy", mmap_mode="r")
    return np.asfortranarray(array)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any")
    write_tiny_model(folder / "tiny.safetensors")
    return folder


@some_examples(2)
@given(st.sampled_from(KINDS), SHAPES, VALUES, FORMS, st.sampled_from(["", "", "YX", "YXS", "TZCYX", "CYXS", "XYZZY"]))
def test_segmenting_any_array_gives_labels_or_words(folder, kind, shape, values, form, axes) -> None:
    image = formed(drawn(kind, shape, values), form, folder)
    with contextlib.suppress(NucleiError):
        result = segment(image, folder / "tiny.safetensors", axes=axes, device="cpu", diameter=20, channel_auto=True)
        assert result.labels.dtype == np.int32


@some_examples(2)
@given(st.sampled_from(KINDS), SHAPES, VALUES, FORMS)
def test_measuring_comparing_and_writing_any_array_as_labels_gives_a_result_or_words(
    folder, kind, shape, values, form
) -> None:
    labels = formed(drawn(kind, shape, values), form, folder)
    for use in (
        lambda: measure(labels),
        lambda: measure(np.ones((17, 33), int), {"image": labels}),
        lambda: compare_labels(labels, labels),
        lambda: write_labels(folder / "labels.tif", labels),
        lambda: write_overlay(folder / "overlay.png", labels, np.ones((17, 33), int)),
    ):
        with contextlib.suppress(NucleiError):
            use()
