from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, read_model, save_model
from napari_unet_nuclei.core.model.header import hash_tensors
from tests.helpers.tiny import TINY, tiny_model, tiny_network


def write(path, tensors, **card):
    """A model file as somebody else might write it."""
    values = {"name": "x", "architecture": TINY, "weights_hash": hash_of(path, tensors)} | card
    path.write_bytes(save(tensors, {"card": ModelCard(**values).model_dump_json()}))
    return path


def hash_of(path, tensors):
    path.write_bytes(save(tensors))
    return hash_tensors(path)


def weights_as(kind=torch.float16):
    """Weights of the tiny network in a precision; counters stay whole numbers."""
    weights = tiny_network().state_dict()
    return {name: value.to(kind) if value.is_floating_point() else value for name, value in weights.items()}


def test_a_model_comes_back_in_float32_ready_to_run(tmp_path):
    model = tiny_model()
    card = save_model(tmp_path / "model.safetensors", model)
    again = read_model(tmp_path / "model.safetensors")
    assert again.card == card
    assert card == model.card.model_copy(update={"weights_hash": card.weights_hash})
    assert len(card.weights_hash) == 64
    assert not again.network.training
    for name, value in again.network.state_dict().items():
        wanted = model.network.state_dict()[name]
        assert value.dtype == wanted.dtype
        assert torch.equal(value, wanted.half().float() if value.is_floating_point() else wanted)


def test_weights_are_stored_as_float16(tmp_path):
    save_model(tmp_path / "model.safetensors", tiny_model())
    kinds = {value.dtype for value in load_file(tmp_path / "model.safetensors").values()}
    assert kinds == {torch.float16, torch.int64}


def test_saving_a_loaded_model_keeps_its_hash(tmp_path):
    first = save_model(tmp_path / "first.safetensors", tiny_model())
    second = save_model(tmp_path / "second.safetensors", read_model(tmp_path / "first.safetensors"))
    assert first == second
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


def test_every_change_of_the_weights_changes_the_hash(tmp_path):
    weights, path = weights_as(), tmp_path / "weights.safetensors"
    reference = hash_of(path, weights)
    assert reference == hash_of(path, dict(reversed(weights.items())))
    for name, value in weights.items():
        other = value.clone()
        other.view(-1)[0] += 1
        assert hash_of(path, {**weights, name: other}) != reference, name
    assert hash_of(path, {**weights, "extra": torch.zeros(1)}) != reference


def test_one_flipped_bit_is_noticed(tiny_model_file):
    content = bytearray(tiny_model_file.read_bytes())
    content[-1] ^= 1
    tiny_model_file.write_bytes(content)
    with pytest.raises(ModelFileError, match="changed"):
        read_model(tiny_model_file)


def test_a_file_cut_short_is_noticed(tiny_model_file):
    tiny_model_file.write_bytes(tiny_model_file.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match="damaged"):
        read_model(tiny_model_file)


def test_weights_that_do_not_fit_the_card_are_refused(tmp_path):
    weights = weights_as()
    missing = dict(list(weights.items())[1:])
    wider = TINY.model_copy(update={"base_width": 8})
    for path in (
        write(tmp_path / "missing.safetensors", missing),
        write(tmp_path / "extra.safetensors", {**weights, "extra": torch.zeros(1)}),
        write(tmp_path / "wider.safetensors", weights, architecture=wider),
    ):
        with pytest.raises(ModelFileError, match="do not fit"):
            read_model(path)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken(tmp_path, kind):
    model = read_model(write(tmp_path / "model.safetensors", weights_as(kind)))
    assert {value.dtype for value in model.network.parameters()} == {torch.float32}


def test_weights_of_another_precision_that_were_changed_are_refused(tmp_path):
    weights = weights_as(torch.bfloat16)
    with pytest.raises(ModelFileError, match="changed"):
        read_model(write(tmp_path / "model.safetensors", weights, weights_hash="0" * 64))


def test_a_huge_network_is_refused_before_it_takes_memory(tmp_path):
    huge = TINY.model_copy(update={"base_width": 256, "depth": 6, "max_width": 2048})
    with pytest.raises(ModelFileError, match="do not fit"):
        read_model(write(tmp_path / "model.safetensors", weights_as(), architecture=huge))


def test_a_variance_beyond_float16_is_stored_as_it_is(tmp_path):
    model = tiny_model()
    variance = model.network.encoder[-1].first.norm.running_var
    variance.fill_(313504.875)
    save_model(tmp_path / "model.safetensors", model)
    read = read_model(tmp_path / "model.safetensors").unet
    assert torch.equal(read.encoder[-1].first.norm.running_var, variance)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverged_are_not_saved(tmp_path, value):
    model = tiny_model()
    with torch.no_grad():
        model.network.heads.bias[0] = value
    with pytest.raises(ModelFileError, match="diverged"):
        save_model(tmp_path / "model.safetensors", model)
    assert list(tmp_path.iterdir()) == []


def test_the_card_stays_readable_without_this_program(tiny_model_file):
    content = tiny_model_file.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["card"])["name"] == "tiny"


def test_saving_leaves_the_network_alone(tmp_path):
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    save_model(tmp_path / "model.safetensors", Model(ModelCard(name="x", architecture=TINY), network))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
