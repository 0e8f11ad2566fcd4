"""The state of a training run on disk, so that a kill costs one epoch at most. No pickle: safetensors and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.progress import EpochDone


@dataclass
class Checkpoint:
    """Where a training run stands; the one mutable record of the training loop.

    Attributes
    ----------
    step : int
        Optimiser steps done.
    seconds : float
        Training time so far, over all resumptions.
    best : dict of Tensor
        Averaged weights of the best epoch.
    best_score : float
        What the best epoch reached on validation.
    epochs_since_best : int
    history : list of EpochDone
    """

    step: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = -math.inf
    epochs_since_best: int = 0
    history: list[EpochDone] = field(default_factory=list)


def write_checkpoint(
    path: Path, state: Checkpoint, network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Write everything that training needs to go on; atomic."""
    moments = {
        f"optimiser.{index}.{name}": value
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }
    parts = {"network": network.state_dict(), "averaged": averaged.state_dict(), "best": state.best}
    tensors = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()} | moments
    record = {
        "step": state.step,
        "seconds": state.seconds,
        "best_score": state.best_score,
        "epochs_since_best": state.epochs_since_best,
        "history": [asdict(event) for event in state.history],
    }
    with atomic(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, {"run": json.dumps(record)})


def read_checkpoint(
    path: Path, network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> Checkpoint:
    """Load a checkpoint into network, averaged weights and optimiser, and return where the run stood.

    Raises
    ------
    ModelFileError
        If the file is damaged, or of a run with another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"The checkpoint {path} is damaged: {error}. Delete it and start again.") from error
    try:
        network.load_state_dict(_part(tensors, "network"))
        averaged.load_state_dict(_part(tensors, "averaged"))
    except RuntimeError as error:  # which lists every tensor
        raise ModelFileError(
            f"The checkpoint {path} is of a run with another network. Go on with the options of that run, or delete it."
        ) from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimiser").items():
        index, moment = name.split(".", 1)
        moments.setdefault(int(index), {})[moment] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    history = [_epoch(**event) for event in record.pop("history")]
    return Checkpoint(best=_part(tensors, "best"), history=history, **record)


def _epoch(val_ap50: float | None = None, **event: Any) -> EpochDone:
    """Rebuild an epoch's record; earlier versions knew one figure only."""
    return EpochDone(**event) if val_ap50 is None else EpochDone(**event, scores={"AP@0.5": val_ap50})


def _part(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
