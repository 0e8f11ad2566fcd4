from __future__ import annotations

import csv
import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import read_card
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import EpochDone
from napari_unet_nuclei.core.train.checkpoint import Checkpoint, read_checkpoint, write_checkpoint, write_history
from tests.helpers.tiny import tiny_class_model, tiny_network

EPOCH = EpochDone(1, 0.5, 0.4, {"foreground IoU": 0.8, "AP@0.5": 0.3})

Run = tuple[UNet, AveragedModel, torch.optim.Optimizer]


def started(seed: int, steps: int) -> Run:
    """A run after some optimiser steps."""
    network = tiny_network(seed=seed).train().to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    for step in range(steps):
        do_step(network, averaged, optimiser, step)
    return network, averaged, optimiser


def do_step(network: UNet, averaged: AveragedModel, optimiser: torch.optim.Optimizer, step: int) -> None:
    image = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(step))
    optimiser.zero_grad()
    network(image).square().mean().backward()
    optimiser.step()
    averaged.update_parameters(network)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_never_stopped(tmp_path):
    path = tmp_path / "run.safetensors"
    first, second = started(0, 2), started(1, 1)
    state = Checkpoint(2, 1.5, {}, 0.7, 3, [EPOCH])
    write_checkpoint(path, state, *first)
    found = read_checkpoint(path, *second)
    for step in (2, 3):
        do_step(*first, step)
        do_step(*second, step)
    assert same(first[0].state_dict(), second[0].state_dict())
    assert same(first[1].state_dict(), second[1].state_dict())
    assert (found.step, found.seconds, found.best_score, found.epochs_since_best) == (2, 1.5, 0.7, 3)
    assert found.history == [EPOCH]


def test_the_best_weights_come_back(tmp_path):
    run = started(0, 1)
    best = {name: value.clone() for name, value in tiny_network(seed=5).state_dict().items()}
    write_checkpoint(tmp_path / "run.safetensors", Checkpoint(best=best), *run)
    assert same(read_checkpoint(tmp_path / "run.safetensors", *run).best, best)


def test_a_run_without_a_best_epoch_comes_back(tmp_path):
    run = started(0, 1)
    write_checkpoint(tmp_path / "run.safetensors", Checkpoint(step=1), *run)
    found = read_checkpoint(tmp_path / "run.safetensors", *run)
    assert found.best == {}
    assert found.best_score == -math.inf


def test_the_history_of_an_earlier_version_comes_back(tmp_path):
    path, run = tmp_path / "run.safetensors", started(0, 1)
    write_checkpoint(path, Checkpoint(), *run)
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["run"])
    record["history"] = [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.4, "val_ap50": 0.3}]
    save_file(load_file(path), path, {"run": json.dumps(record)})
    assert read_checkpoint(path, *run).history == [EpochDone(1, 0.5, 0.4, {"AP@0.5": 0.3})]


def test_a_checkpoint_that_does_not_fit_says_what_to_do(tmp_path):
    path = tmp_path / "run.safetensors"
    write_checkpoint(path, Checkpoint(), *started(0, 1))
    other = tiny_class_model().network
    with pytest.raises(ModelFileError, match=r"run\.safetensors is from a run with a different network"):
        read_checkpoint(path, other, AveragedModel(other), torch.optim.AdamW(other.parameters()))
    path.write_bytes(b"state")
    with pytest.raises(ModelFileError, match=r"run\.safetensors is damaged"):
        read_checkpoint(path, *started(0, 1))


@pytest.mark.parametrize(
    ("record", "tensors"),
    [
        ({"step": "many"}, {}),
        ({"history": [{"epoch": 1}]}, {}),
        ({"history": [[]] * 5000}, {}),
        ({}, {"optimiser.0.exp_avg": torch.zeros(3)}),
        ({}, {"optimiser.999.exp_avg": torch.zeros(())}),
        ({}, {"optimiser.first": torch.zeros(())}),
    ],
)
def test_what_is_damaged_within_a_checkpoint_is_said(tmp_path, record, tensors):
    path, run = tmp_path / "run.safetensors", started(0, 1)
    write_checkpoint(path, Checkpoint(), *run)
    with safe_open(path, framework="pt") as file:
        written = json.loads(file.metadata()["run"])
    save_file({**load_file(path), **tensors}, path, {"run": json.dumps({**written, **record})})
    with pytest.raises(ModelFileError, match=r"run\.safetensors is damaged"):
        read_checkpoint(path, *run)


def test_best_weights_of_another_network_are_noticed_at_once(tmp_path):
    path, run = tmp_path / "run.safetensors", started(0, 1)
    write_checkpoint(path, Checkpoint(best={"weight": torch.zeros(3)}), *run)
    with pytest.raises(ModelFileError, match="different network"):
        read_checkpoint(path, *run)


def test_a_checkpoint_replaces_the_one_before_and_leaves_nothing_else(tmp_path):
    run = started(0, 1)
    for step in (1, 2):
        write_checkpoint(tmp_path / "run.safetensors", Checkpoint(step=step), *run)
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]
    assert read_checkpoint(tmp_path / "run.safetensors", *run).step == 2


def test_a_checkpoint_is_no_model_file(tmp_path):
    write_checkpoint(tmp_path / "run.safetensors", Checkpoint(), *started(0, 1))
    with pytest.raises(ModelFileError):
        read_card(tmp_path / "run.safetensors")


def test_epochs_of_an_earlier_version_leave_new_figures_empty(tmp_path):
    path = tmp_path / "history.csv"
    new = {"foreground IoU": 0.8, "AP@0.5": 0.5}
    write_history(path, [EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.25}), EpochDone(2, 0.7, 0.6, new)])
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["epoch", "train_loss", "val_loss", "val_foreground_iou", "val_ap50"]
    assert (first["val_foreground_iou"], first["val_ap50"]) == ("", "0.25")
    assert (second["val_foreground_iou"], second["val_ap50"]) == ("0.8", "0.5")


def test_a_history_without_epochs_has_its_heading(tmp_path):
    write_history(tmp_path / "history.csv", [])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,train_loss,val_loss"]


def test_each_data_set_and_kind_has_a_column(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, [EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.5, "AP@0.5 dsb2018 fluorescence": 0.7})])
    with path.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["val_ap50_dsb2018_fluorescence"] == "0.7"
