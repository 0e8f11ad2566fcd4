from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import read_card
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.model.header import copy_renamed, hash_tensors, read_header
from tests.helpers.tiny import write_tiny_model


def test_the_hash_is_the_one_of_the_card(tiny_model_file):
    assert hash_tensors(tiny_model_file) == read_card(tiny_model_file).weights_hash


def test_a_renamed_copy_is_the_same_model_under_another_name(tmp_path, tiny_model_file):
    copy_renamed(tiny_model_file, tmp_path / "copy.safetensors", "a longer name than before")
    before, after = read_model(tiny_model_file), read_model(tmp_path / "copy.safetensors")
    assert after.card == before.card.model_copy(update={"name": "a longer name than before"})
    headers = [read_header(path) for path in (tiny_model_file, tmp_path / "copy.safetensors")]
    contents = [tiny_model_file.read_bytes(), (tmp_path / "copy.safetensors").read_bytes()]
    assert headers[0].tensors == headers[1].tensors
    assert headers[1].start % 8 == 0
    assert contents[0][headers[0].start :] == contents[1][headers[1].start :]
    assert load_file(tmp_path / "copy.safetensors").keys() == load_file(tiny_model_file).keys()


@pytest.mark.parametrize("said", ['Zellkerne, 8–120 µm "große"', "half a character: \ud800"])
def test_what_the_card_says_in_other_letters_is_kept(tmp_path, tiny_model_file, said):
    content = tiny_model_file.read_bytes()
    header = read_header(tiny_model_file)
    card = {
        **json.loads(header.metadata["card"]),
        "description": said,
        "metrics": {"AP": 1e-9},
    }
    text = json.dumps({"__metadata__": {"card": json.dumps(card)}, **header.tensors}).encode()
    tiny_model_file.write_bytes(len(text).to_bytes(8, "little") + text + content[header.start :])
    copy_renamed(tiny_model_file, tmp_path / "copy.safetensors", "other")
    expected = read_card(tiny_model_file).model_copy(update={"name": "other"})
    assert read_card(tmp_path / "copy.safetensors") == expected
    assert expected.description == said.replace("\ud800", "\ufffd")


@pytest.mark.parametrize("kept", [0, 4, 9, -1])
def test_a_file_that_is_not_whole_is_refused(tmp_path, kept):
    path = tmp_path / "m.safetensors"
    write_tiny_model(path)
    path.write_bytes(path.read_bytes()[:kept])
    for read in (read_header, hash_tensors):
        with pytest.raises(ModelFileError, match="damaged"):
            read(path)


def test_a_file_that_is_gone_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_header(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("tensors", [{"a": 1}, {"a": {"dtype": "F4", "shape": [0], "data_offsets": [0, 0]}}, {"a": {}}])
def test_a_header_with_other_tensors_than_ours_is_refused(tmp_path, tensors):
    text = json.dumps({"__metadata__": {}, **tensors}).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ModelFileError, match="damaged"):
        hash_tensors(path)


def with_header(path, change):
    """Write the header of a model file anew."""
    content, header = path.read_bytes(), read_header(path)
    parts = {"__metadata__": header.metadata, **header.tensors}
    text = json.dumps(change(parts)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[header.start :])


def test_tensors_that_share_bytes_are_refused(tiny_model_file):
    def shared(parts):
        name, place = next((name, place) for name, place in parts.items() if name != "__metadata__")
        return {**parts, **{f"{name}.{number}": place for number in range(1000)}}

    with_header(tiny_model_file, shared)
    with pytest.raises(ModelFileError, match="damaged"):
        hash_tensors(tiny_model_file)


def test_tensors_of_another_size_than_their_shape_are_refused(tiny_model_file):
    def reshaped(parts):
        name, place = next((name, place) for name, place in parts.items() if name != "__metadata__")
        return {**parts, name: {**place, "shape": [10**9]}}

    with_header(tiny_model_file, reshaped)
    with pytest.raises(ModelFileError, match="damaged"):
        read_header(tiny_model_file)


def test_a_card_cannot_act_on_the_terminal(tiny_model_file):
    def hostile(parts):
        card = {**json.loads(parts["__metadata__"]["card"]), "description": "\x1b[2Jgone \ud800\nsecond line"}
        return {**parts, "__metadata__": {"card": json.dumps(card)}}

    with_header(tiny_model_file, hostile)
    assert read_card(tiny_model_file).description == "\ufffd[2Jgone \ufffd\nsecond line"
