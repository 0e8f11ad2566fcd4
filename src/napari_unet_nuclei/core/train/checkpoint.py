"""What a training run saves after each epoch: its state, to resume from, and its history as a table.

A kill costs one epoch at most. The state is safetensors and JSON, never pickle.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.text import parse_json
from napari_unet_nuclei.core.progress import EpochDone


class _Record(BaseModel):
    """What a checkpoint holds beside tensors."""

    step: int = Field(ge=0)
    seconds: float = Field(ge=0)
    best_score: float
    epochs_since_best: int = Field(ge=0)
    history: list[dict[str, Any]]


@dataclass
class Checkpoint:
    """State of a training run; the one mutable record of the training loop."""

    step: int = 0  # optimiser steps done
    seconds: float = 0.0  # of training, summed over all resumptions
    best: dict[str, Tensor] = field(default_factory=dict)  # averaged weights of the best epoch
    best_score: float = -math.inf  # validation score of the best epoch
    epochs_since_best: int = 0
    history: list[EpochDone] = field(default_factory=list)


def write_checkpoint(
    path: Path, state: Checkpoint, network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Write everything needed to resume training, atomically."""
    moments = {
        f"optimiser.{index}.{name}": value
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }
    # safetensors holds one flat table of tensors: the part becomes a prefix of the name.
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
        # Weights are laid out channels last, and safetensors writes only what lies row by row.
        rows = {name: value.contiguous() for name, value in tensors.items()}
        # Written here, since safetensors reports a full disk as an error of its own.
        temporary.write_bytes(save(rows, {"run": json.dumps(record)}))


def read_checkpoint(
    path: Path, network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> Checkpoint:
    """Load a checkpoint into network, averaged weights and optimiser, and return the state of the run.

    Raises `ModelFileError` if the file is damaged, or belongs to a run with a different network.
    """
    damaged = f"The checkpoint {path} is damaged: {{}}. Delete it and start again."
    try:
        with safe_open(path, framework="pt") as file:
            record = _Record.model_validate(parse_json(file.metadata()["run"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        history = [_epoch(**event) for event in record.history]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(damaged.format(error)) from error
    best = _part(tensors, "best")
    try:
        if best:  # a trial: they are needed only at the end of the run
            network.load_state_dict(best)
        network.load_state_dict(_part(tensors, "network"))
        averaged.load_state_dict(_part(tensors, "averaged"))
    except RuntimeError as error:  # whose message lists every tensor
        raise ModelFileError(
            f"The checkpoint {path} is from a run with a different network. Resume with the options of that run, or "
            "delete it."
        ) from error
    try:
        moments = _moments(_part(tensors, "optimiser"), optimiser)
    except (ValueError, IndexError) as error:
        raise ModelFileError(damaged.format(error)) from error
    # Only the moments: learning rate and decay follow the present settings.
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    return Checkpoint(record.step, record.seconds, best, record.best_score, record.epochs_since_best, history)


def _moments(tensors: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """Return the moments of every parameter by its number; raise ValueError if they do not fit the parameters."""
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, moment = name.split(".", 1)
        if value.shape not in ((), parameters[int(number)].shape):
            raise ValueError(f"{name} has the shape {tuple(value.shape)}")
        moments.setdefault(int(number), {})[moment] = value
    return moments


def write_history(path: Path, history: Sequence[EpochDone]) -> None:
    """Write one CSV row per epoch, atomically: number, losses and validation figures.

    Figures that an epoch lacks, because an earlier version ran it, are left empty.
    """
    # Latest epoch first, so that its order of columns wins over that of earlier versions.
    figures = list(dict.fromkeys(figure for event in reversed(history) for figure in event.scores))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", "train_loss", "val_loss", *map(_column, figures)))
        writer.writerows(
            (event.epoch, event.train_loss, event.val_loss, *(event.scores.get(figure, "") for figure in figures))
            for event in history
        )


def _column(figure: str) -> str:
    """Turn the name of a figure into that of a column: "AP@0.5" into "val_ap50"."""
    return "val_" + figure.lower().replace("@0.5", "50").replace(" ", "_")


def _epoch(val_ap50: float | None = None, **event: Any) -> EpochDone:
    """Rebuild the record of an epoch; earlier versions had a single figure, ``val_ap50``."""
    return EpochDone(**event) if val_ap50 is None else EpochDone(**event, scores={"AP@0.5": val_ap50})


def _part(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
