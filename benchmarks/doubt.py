"""Which nuclei the suspicions of `core.labels.doubt` point at, and whether its numbers could be better.

``python -m benchmarks.doubt dsb2018/index.csv --split val --most 32`` segments images with nothing set, calls a nucleus
wrong whose IoU with every true nucleus is below 0.6, and prints for every suspicion how many nuclei have it and how
many of those are wrong. ``--search`` then moves every number of `RAMPS` up and down by a tenth and by a quarter, one at
a time, keeps what ranks wrong nuclei better, and repeats until nothing does: it prints the table it ends with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.accuracy import chosen_entries, share
from benchmarks.table import Table
from napari_unet_nuclei import segment
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.labels import doubt as module
from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from napari_unet_nuclei.core.train.dataset import read_planes
from napari_unet_nuclei.core.train.layouts import Condition, Entry
from napari_unet_nuclei.core.train.reading import InputForm

WRONG_BELOW = 0.6
"""IoU with the true nucleus that it overlaps most."""

STEPS = (0.75, 0.9, 1.1, 1.25)


@dataclass(frozen=True)
class Judged:
    """Labels (Y, X) of one image with their maps, and which nuclei are wrong, in the order of the ids."""

    labels: np.ndarray
    maps: np.ndarray
    wrong: np.ndarray


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", metavar="FOLDER_OR_INDEX", help="images with labels")
    parser.add_argument("--split", default="", help="only this part of indexes that have parts, for instance val")
    parser.add_argument("--where", action="append", default=[], help="COLUMN=VALUE or COLUMN!=VALUE of the indexes")
    parser.add_argument("--most", type=int, default=32, help="at most so many images, evenly spaced in the list")
    parser.add_argument("--search", action="store_true", help="try other numbers")
    given = parser.parse_args(arguments)
    entries = chosen_entries(given.datasets, given.split, [Condition.read(text) for text in given.where])
    chosen = entries[:: -(-len(entries) // given.most)]
    images = list(judged(tqdm(chosen, unit="image", disable=None)))
    print(table(images).markdown())
    for with_maps in (True, False) if given.search else ():
        found = search(images, with_maps)
        print(f"\n{'with' if with_maps else 'without'} maps: {ranking(images, with_maps):.4f} with")
        print(*(f"{name}: {ramp}" for name, ramp in found.items()), sep="\n")


def judged(entries: Sequence[Entry]) -> Iterator[Judged]:
    """Segment images and compare them with their labels; those in which nothing was found are passed over."""
    for entry in entries:
        file = read_image(entry.image)
        truth = read_planes(entry, InputForm())[0][1].labels
        result = segment(file.array, axes=file.axes)
        labels = result.labels.reshape(truth.shape)
        if result.count and result.maps is not None:
            overlaps = find_overlaps(truth, labels)
            best = np.zeros(result.count)
            np.maximum.at(best, overlaps.predicted_index, overlaps.ious)
            yield Judged(labels, result.maps[0], best < WRONG_BELOW)


def doubts(image: Judged, with_maps: bool) -> tuple[np.ndarray, list[str]]:
    """Doubt and reason of every nucleus, in the order of the ids, by the suspicions alone."""
    found = sorted(module.doubt(image.labels, image.maps if with_maps else None), key=lambda one: one.id)
    return np.array([one.doubt for one in found]), [one.reason for one in found]


def table(images: Sequence[Judged]) -> Table:
    """Wrong nuclei by the strongest suspicion, and by how doubtful they are."""
    rows = []
    wrong = np.concatenate([image.wrong for image in images])
    for with_maps in (True, False):
        parts = [doubts(image, with_maps) for image in images]
        amount = np.concatenate([part for part, _ in parts])
        reasons = np.array([reason for _, part in parts for reason in part])
        groups = {reason: reasons == reason for reason in dict.fromkeys(module.REASONS.values())}
        groups |= {"doubt above 0.2": amount > 0.2, "no doubt": amount == 0, "all": np.ones(len(wrong), bool)}
        for name, chosen in groups.items():
            if chosen.any():
                nuclei = int(chosen.sum())
                rows.append(("yes" if with_maps else "no", name, f"{nuclei}", share(int(wrong[chosen].sum()), nuclei)))
    return Table(
        "Doubt",
        ("maps", "nuclei", "number", "wrong"),
        tuple(rows),
        f"{len(images)} images. Wrong: IoU below {WRONG_BELOW:g} with every true nucleus.",
    )


def ranking(images: Sequence[Judged], with_maps: bool) -> float:
    """Average precision of the wrong nuclei, most doubtful first; nuclei of the same doubt count as one step."""
    amount = np.concatenate([doubts(image, with_maps)[0] for image in images])
    wrong = np.concatenate([image.wrong for image in images])
    order = np.argsort(-amount, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(amount[order]) != 0, True))
    hits = np.cumsum(wrong[order])[ends]
    gained = np.diff(np.append(0, hits))
    return float((gained * hits / (ends + 1)).sum() / max(wrong.sum(), 1))


def search(images: Sequence[Judged], with_maps: bool) -> dict[str, module.Ramp]:
    """Move one number of the table at a time for as long as that ranks wrong nuclei better."""
    best = ranking(images, with_maps)
    improved = True
    while improved:
        improved = False
        for name in module.RAMPS:
            for field in ("start", "stop", "weight"):
                for factor in STEPS:
                    before = module.RAMPS[name]
                    changed = replace(before, **{field: getattr(before, field) * factor})
                    if changed.start == changed.stop or changed.weight > 1:
                        continue
                    module.RAMPS[name] = changed
                    found = ranking(images, with_maps)
                    if found > best + 1e-4:
                        best, improved = found, True
                    else:
                        module.RAMPS[name] = before
    return dict(module.RAMPS)


if __name__ == "__main__":
    main()
