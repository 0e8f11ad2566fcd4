"""Our time beside that of StarDist and Cellpose, on the same images in the same run; ``nox -s peers`` installs them.

Weights of other programs are downloads and change no time: their networks run with weights drawn at random, and what
comes after the network gets the maps of perfect networks, made from the drawn nuclei.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import in_child
from benchmarks.images import DIAMETER, NUCLEI_PER_PIECE, PIECE
from benchmarks.table import Table

ROUNDS = 2
"""How often the programs take turns: on a machine whose speed changes they meet the same changes."""

RUNS = 5
"""Runs of a program in its turn; the median counts."""


def measure() -> Table:
    programs = {
        "napari-unet-nuclei, size estimated": ours,
        "napari-unet-nuclei, size given": ours_with_size,
        "StarDist, 2D_versatile_fluo": stardist,
        "Cellpose 3, nuclei": cellpose,
    }
    turns = [{name: in_child(run) for name, run in programs.items()} for _ in range(ROUNDS)]
    best = {name: min((turn[name] for turn in turns), key=lambda figures: figures["total"]) for name in programs}
    reference = best[next(iter(programs))]["total"]
    rows = tuple(
        (
            name,
            figures["version"],
            f"{figures['network']:.3f}",
            f"{figures['total'] - figures['network']:.3f}",
            f"{figures['total']:.3f}",
            f"{figures['total'] / reference:.1f}",
            f"{figures['nuclei']}",
        )
        for name, figures in best.items()
    )
    return Table(
        "Beside other programs",
        ("program", "version", "network, s", "the rest, s", "in all, s", "times ours", "nuclei"),
        rows,
        f"One plane of {PIECE} x {PIECE} pixels with nuclei {DIAMETER:g} px wide, on the processor, in each program's "
        f"own number format; the median of {RUNS} runs in the better of {ROUNDS} turns, each in a process of its own. "
        "Networks of others have weights drawn at random, and their steps after the network get the maps of perfect "
        "networks: time, not accuracy, is compared. Cellpose resizes the image to its own 17 px per nucleus and is "
        "told the diameter. Aims: StarDist takes at least 3.5 times as long as ours, better 5 times.",
    )


def ours() -> dict[str, Any]:
    return _ours()


def ours_with_size() -> dict[str, Any]:
    return _ours(diameter=DIAMETER)


def _ours(**settings: float) -> dict[str, Any]:
    from unittest.mock import patch

    from benchmarks.engine import Stopwatch
    from napari_unet_nuclei import __version__, segment
    from napari_unet_nuclei.core.segment.network_runner import NetworkRunner

    image, _ = _drawn()
    network = Stopwatch(NetworkRunner.run)
    count = 0
    inside = []

    def run() -> None:
        nonlocal count
        count = segment(image, axes="YX", **settings).count
        inside.append(network.reset())

    with patch.object(NetworkRunner, "run", network.timed()):
        total = _median(run)
    return _figures(__version__, statistics.median(inside[1:]), total, count)


def stardist() -> dict[str, Any]:
    import stardist
    from csbdeep.utils import normalize
    from stardist import edt_prob, star_dist
    from stardist.models import Config2D, StarDist2D

    image, labels = _drawn()
    grid, rays = (2, 2), 32
    # As in the configuration that comes with the model 2D_versatile_fluo.
    model = StarDist2D(Config2D(n_rays=rays, grid=grid, n_channel_in=1), name="drawn", basedir=None)
    probability = edt_prob(labels)[:: grid[0], :: grid[1]].copy()
    distances = star_dist(labels, rays, grid=grid)
    before = _median(lambda: normalize(image, 1, 99.8))
    prepared = normalize(image, 1, 99.8)
    network = _median(lambda: model.predict(prepared, normalizer=None))
    found: list[np.ndarray] = []

    def decode() -> None:
        found[:] = [model._instances_from_prediction(image.shape, probability, distances, prob_thresh=0.48)[0]]

    after = _median(decode)
    return _figures(stardist.__version__, network, before + network + after, int(found[0].max()))


def cellpose() -> dict[str, Any]:
    import importlib.metadata

    import torch
    from cellpose import dynamics
    from cellpose.models import CellposeModel
    from cellpose.resnet_torch import CPnet

    image, labels = _drawn()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "drawn"
        torch.save(CPnet([2, 32, 64, 128, 256], 3, sz=3, diam_mean=17.0).state_dict(), weights)
        model = CellposeModel(pretrained_model=str(weights))
    assert model.diam_mean == 17.0
    network = _median(lambda: model.eval(image, channels=[0, 0], diameter=DIAMETER, compute_masks=False))
    flows = dynamics.labels_to_flows([labels])[0]
    towards, inside = 5 * flows[2:4], 12 * (flows[1] - 0.5)
    found: list[np.ndarray] = []

    def decode() -> None:
        found[:] = [dynamics.resize_and_compute_masks(towards, inside, niter=200, resize=None)]

    after = _median(decode)
    masks = found[0][0] if isinstance(found[0], tuple) else found[0]
    return _figures(importlib.metadata.version("cellpose"), network, network + after, int(masks.max()))


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei

    drawn = fluorescent_nuclei(0, (PIECE, PIECE), DIAMETER, NUCLEI_PER_PIECE)
    return drawn.image, drawn.labels.astype(np.int32)


def _median(run: Callable[[], Any]) -> float:
    """Seconds of a run; the first one loads and warms up and does not count."""
    run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _figures(version: str, network: float, total: float, nuclei: int) -> dict[str, Any]:
    return {"version": version, "network": network, "total": total, "nuclei": nuclei}
