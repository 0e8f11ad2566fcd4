from __future__ import annotations

import io
import os
import pickle

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.packages.arrays import array_bytes, read_array
from napari_unet_nuclei.core.model.packages.state_dict import read_state_dict, write_state_dict
from tests.helpers.packages import IMAGE, zip_bytes
from tests.helpers.tiny import tiny_network


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def saved(value: object, **options) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def test_weights_come_back_to_the_bit():
    weights = tiny_network().state_dict()
    read = read_state_dict(write_state_dict(weights))
    assert list(read) == list(weights)
    assert all(torch.equal(read[name], weights[name]) for name in weights)


def test_nothing_is_executed_and_nothing_unfolds(tmp_path):
    trace = tmp_path / "harm"
    good = zip_bytes({"a/data.pkl": b"x" * 2**20, "a/version": b"3"})
    for content, said in (
        (saved({"a": Harmful(str(trace))}), "more than numbers"),
        (pickle.dumps(Harmful(str(trace))), "present form"),
        (saved({"a": torch.ones(1)}, _use_new_zipfile_serialization=False), "present form"),
        (saved(tiny_network()), "more than numbers"),
        (good, "compressed"),
        (saved({"a": 1.0}), "plain list"),
        (saved([torch.ones(1)]), "plain list"),
        (saved({"a": torch.ones(2, 2).to_sparse()}), "plain list"),
        (write_state_dict(tiny_network().state_dict())[:-100], "present form"),
    ):
        with pytest.raises(ModelFileError, match=said):
            read_state_dict(content)
    assert not trace.exists()


def test_test_tensors_hold_no_objects_and_are_as_large_as_they_say():
    assert (read_array(array_bytes(IMAGE), "a.npy") == IMAGE).all()
    objects = io.BytesIO()
    np.save(objects, np.array([Harmful("x")], dtype=object), allow_pickle=True)
    claimed = array_bytes(np.zeros(3)).replace(b"(3,)", b"(3000000000,)"[:4])
    huge = array_bytes(np.zeros((1, 1))).replace(b"(1, 1), }   ", b"(1, 1" + b"0" * 3 + b"), }")
    for content in (objects.getvalue(), huge, claimed[:-1], b"", b"\x93NUMPY\x09\x00", b"text"):
        with pytest.raises(ModelFileError, match=r"'a.npy' is no readable"):
            read_array(content, "a.npy")
