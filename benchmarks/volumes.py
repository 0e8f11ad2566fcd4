"""How well nuclei of stacks are found in three dimensions, how fast, and what other constants would give.

``python -m benchmarks volumes FOLDER --spacing ovule=2.24 small=2`` takes pairs ``NAME_image.tif`` and
``NAME_labels.tif`` with the distance of their planes in pixels, and drawn stacks; each whole, and every second and
fourth plane of it. Without a folder, the drawn ones alone. ``--fit`` decodes the same maps with other constants,
``--cost`` measures a volume of 10 million working voxels, and ``--blocks`` compares blocks with the undivided volume,
in labels and in memory; ``--memory`` measures that of the usual block on volumes of up to 262 million working voxels.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.child import in_child
from benchmarks.table import Table

THRESHOLDS = (0.3, 0.5, 0.7)
THINNED = (1, 2, 4)
"""Planes of which one is taken."""

DRAWN = (1.0, 2.0, 4.0, 8.0)
"""Spacings of drawn stacks."""

CANDIDATES: dict[str, tuple[float, ...]] = {
    "split": (0.35, 0.5, 0.75, 1.0),
    "foreground": (0.45, 0.5, 0.55, 0.6),
    "score": (0.55, 0.6, 0.65, 0.7, 0.75),
    "BORDER_WEIGHT": (0.0, 0.3, 0.5),
    "SMOOTHING": (1.0, 1.5, 2.0),
}
"""Values that are compared, one at a time: thresholds, and constants of `decode_volume`."""

SMALL_BLOCK, BLOCK = 48, 128
"""Sides of blocks in cubes, for labels and for memory: smaller than usual, so that small stacks have several."""

GROWING = ((2, 2, 1), (2, 3, 2))
"""How often a drawn stack of a million working voxels is repeated along each axis."""

USUAL_BLOCK, LARGER = 320, ((3, 3, 3), (5, 5, 2), (5, 5, 5), (10, 5, 5))
"""Side of the usual block in cubes, and how often the same stack is repeated where its memory is measured."""

LARGE = 10e6
"""Working voxels of the volume whose cost is measured."""


@dataclass(frozen=True)
class Stack:
    """A stack with truth, both (Z, Y, X); ``spacing`` of planes in pixels, ``group`` for the pooled figures."""

    name: str
    group: str
    image: np.ndarray
    truth: np.ndarray
    spacing: float


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks volumes", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--spacing", nargs="*", default=[], metavar="NAME=PIXELS")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args(arguments)
    if given.memory:
        print(usual_peaks().markdown())
        return
    spacings = {name: float(value) for name, value in (pair.split("=") for pair in given.spacing)}
    stacks = [*(real_stacks(given.folder, spacings) if given.folder else ()), *drawn_stacks()]
    if given.blocks:
        print(divided([stack for stack in stacks if not stack.name.endswith(("/2", "/4"))]).markdown())
        print(peaks().markdown())
        return
    print((fits(stacks) if given.fit else costs() if given.cost else precision(stacks)).markdown())


def real_stacks(folder: Path, spacings: dict[str, float]) -> Iterator[Stack]:
    """Yield the pairs of a folder whose spacing is given, and parts of their planes."""
    from napari_unet_nuclei import read_image

    for name, spacing in spacings.items():
        image, truth = (np.asarray(read_image(folder / f"{name}_{what}.tif").array) for what in ("image", "labels"))
        for every in THINNED:
            taken = slice(every // 2, None, every)
            yield Stack(f"{name} /{every}", f"real /{every}", image[taken], truth[taken], spacing * every)


def drawn_stacks() -> Iterator[Stack]:
    """Yield packed tissue whose planes are near and far."""
    from napari_unet_nuclei import packed_tissue

    for spacing in DRAWN:
        sample = packed_tissue(shape=(round(100 / spacing), 160, 160), spacing=spacing)
        yield Stack(f"drawn {spacing:g}", f"drawn {spacing:g}", sample.image, sample.labels, spacing)


def precision(stacks: Sequence[Stack]) -> Table:
    """Segment every stack, in three dimensions and joined plane by plane; pool the figures of a group."""
    from napari_unet_nuclei import segment

    segment(stacks[0].image[:2], axes="ZYX")  # loads the model
    groups: dict[str, list[tuple[np.ndarray, np.ndarray, float, float]]] = {}
    for stack in stacks:
        start = time.process_time()
        volume = segment(stack.image, axes="ZYX", z_spacing=stack.spacing, z_spacing_unit="px")
        seconds = time.process_time() - start
        joined = segment(stack.image, axes="ZYX", planes="joined")
        voxels = sum(one.maps.foreground.size for one in volume.decoder.volumes) / 1e6
        counts = (matches(stack.truth, volume.labels), matches(stack.truth, joined.labels), seconds, voxels)
        groups.setdefault(stack.group, []).append(counts)
    rows = []
    for group, found in groups.items():
        ours, others = (np.sum([one[which] for one in found], axis=0) for which in (0, 1))
        seconds = sum(one[2] for one in found) / sum(one[3] for one in found)
        true, predicted = ours[0, 0] + ours[0, 2], ours[0, 0] + ours[0, 1]
        rows.append((group, _spell(ours), f"{predicted}/{true}", _spell(others), f"{seconds:.1f}"))
    return Table(
        "Nuclei in three dimensions",
        ("stacks", "AP .3/.5/.7", "found/true", "joined plane by plane", "processor's s per million working voxels"),
        tuple(rows),
        "AP is TP / (TP + FP + FN), pooled over nuclei and matched one to one; /2 and /4 are every second and fourth "
        "plane. Nothing is set but the spacing.",
    )


def fits(stacks: Sequence[Stack]) -> Table:
    """Decode the maps of all stacks with other constants, one at a time."""
    from napari_unet_nuclei import segment
    from napari_unet_nuclei.core.labels import decode_volume
    from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder

    found = [segment(one.image, axes="ZYX", z_spacing=one.spacing, z_spacing_unit="px") for one in stacks]
    groups = list(dict.fromkeys(stack.group for stack in stacks))
    rows = []
    for name, values in CANDIDATES.items():
        constant = name.isupper()
        usual = getattr(decode_volume, name) if constant else None
        for value in values:
            if constant:
                setattr(decode_volume, name, value)
            counts: dict[str, list[np.ndarray]] = {}
            for stack, result in zip(stacks, found, strict=True):
                [volume] = result.decoder.volumes
                thresholds = result.thresholds if constant else replace(result.thresholds, **{name: value})
                labels = VolumeDecoder(volume.maps).decode(thresholds).labels
                counts.setdefault(stack.group, []).append(matches(stack.truth, labels))
            rows.append((f"{name} {value:g}", *(_spell(np.sum(counts[group], axis=0)) for group in groups)))
        if constant:
            setattr(decode_volume, name, usual)
    return Table("Constants of volumes", ("changed", *groups), tuple(rows), "AP at IoU .3/.5/.7, as above.")


def costs() -> Table:
    """Measure decoding and sliders on a large volume."""
    times = in_child(decoding_seconds, LARGE)
    rows = tuple((what, f"{value:.3f}") for what, value in times.items())
    note = "The maps of a drawn stack, repeated. Aim: everything anew in 3 s, Split and Smallest in 0.1 s."
    return Table(
        f"{LARGE / 1e6:.0f} million working voxels", ("step", "seconds of a processor, or bytes a voxel"), rows, note
    )


def decoding_seconds(voxels: float) -> dict[str, float]:
    """Return the processor's seconds for each step, and the peak of memory in bytes a working voxel."""
    from napari_unet_nuclei import packed_tissue, segment
    from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder, VolumeMaps, decode_section

    sample = packed_tissue(shape=(40, 120, 120), count=45)
    result = segment(sample.image, pixel_size=sample.pixel_size)
    [small] = result.decoder.volumes
    times = 1, *[max(round((voxels / small.maps.foreground.size) ** 0.5), 1)] * 2
    maps = [np.tile(one, times) for one in (small.maps.foreground, small.maps.border)]
    shape = tuple(int(size * time) for size, time in zip(small.maps.shape, times, strict=True))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = VolumeMaps(maps[0], maps[1], shape, small.maps.unit)
    decoder, own = VolumeDecoder(large), result.thresholds
    seconds = {}
    moves = {
        "everything": own,
        "split": replace(own, split=0.7),
        "smallest": replace(own, min_size=60),
        "score": replace(own, score=0.7),
        "foreground": replace(own, foreground=0.6),
    }
    for what, thresholds in moves.items():
        start = time.process_time()
        decoder.decode(thresholds)
        seconds[what] = time.process_time() - start
    peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)  # Linux counts kilobytes
    start = time.process_time()
    decode_section(large, shape[0] // 2, (0, shape[1], 0, shape[2]), replace(own, foreground=0.6))
    seconds["foreground, of one plane"] = time.process_time() - start
    return {**seconds, "peak of memory beyond the maps": peak / maps[0].size}


def divided(stacks: Sequence[Stack]) -> Table:
    """Compare the labels of blocks with those of the undivided stack."""
    from napari_unet_nuclei import read_image, segment, segment_slide
    from napari_unet_nuclei.core.labels.metrics.overlaps import match

    rows = []
    for stack in stacks:
        settings = {"axes": "ZYX", "z_spacing": stack.spacing, "z_spacing_unit": "px", "device": "cpu"}
        whole = segment(stack.image, **settings).labels
        with tempfile.TemporaryDirectory() as folder:
            result = segment_slide(stack.image, Path(folder, "labels.ome.zarr"), block=SMALL_BLOCK, **settings)
            labels = np.asarray(read_image(result.path).array[...])
        precision = match(whole, labels, (0.9,)).average_precision[0]
        differing = np.count_nonzero((whole > 0) != (labels > 0)) / max(np.count_nonzero(whole), 1)
        rows.append((stack.name, f"{whole.max()}", f"{result.count}", f"{precision:.3f}", f"{differing:.1e}"))
    return Table(
        f"Volumes in blocks of {SMALL_BLOCK} cubes",
        ("stack", "nuclei undivided", "in blocks", "AP at IoU .9", "voxels that differ"),
        tuple(rows),
        "Aim: equal, or AP at least .99.",
    )


def peaks() -> Table:
    """Measure the memory of growing stacks, undivided and in blocks."""
    rows = []
    for repeats in GROWING:
        whole, blocks = (in_child(peak_of, repeats, block) for block in (0, BLOCK))
        rows.append((f"{blocks[0] / 1e6:.1f}", f"{blocks[1]}", f"{whole[2] / 1e9:.2f}", f"{blocks[2] / 1e9:.2f}"))
    return Table(
        "Memory of volumes",
        ("million working voxels", "nuclei", "undivided GB", f"in blocks of {BLOCK} cubes GB"),
        tuple(rows),
        "Resident memory at its highest, less what it was when PyTorch and the model were there. An OME-Zarr image is "
        "segmented with its table.",
    )


def usual_peaks() -> Table:
    """Measure the memory of the usual block as volumes grow."""
    found = [in_child(peak_of, repeats, USUAL_BLOCK) for repeats in LARGER]
    rows = tuple((f"{voxels / 1e6:.0f}", f"{count}", f"{peak / 1e9:.2f}") for voxels, count, peak in found)
    columns = ("million working voxels", "nuclei", f"in blocks of {USUAL_BLOCK} cubes GB")
    return Table("Memory of large volumes", columns, rows, "As above. A block has a margin where the volume goes on.")


def peak_of(repeats: Sequence[int], block: int) -> tuple[int, int, int]:
    """Return (working voxels, nuclei, bytes at the peak) of a drawn stack, repeated; undivided where block is 0."""
    import zarr

    from benchmarks.memory import highest_resident
    from napari_unet_nuclei import load_model, packed_tissue, segment, segment_slide

    piece = packed_tissue(shape=(32, 128, 128), diameter=18, count=150, spacing=2)
    settings = {"axes": "ZYX", "z_spacing": 2.0, "z_spacing_unit": "px", "diameter": 18.0, "device": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stack.ome.zarr")
        array = zarr.create_array(
            path / "0",
            shape=[size * times for size, times in zip(piece.image.shape, repeats, strict=True)],
            dtype=piece.image.dtype,
            chunks=piece.image.shape,
        )
        for place in np.ndindex(*repeats):
            array[tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, piece.image.shape, strict=True))] = piece.image
        load_model()
        segment(piece.image[:4], **settings)
        before = highest_resident()
        if block:
            labels, table = Path(folder, "labels.ome.zarr"), Path(folder, "table.csv")
            count = segment_slide(array, labels, block=block, table=table, **settings).count
        else:
            count = segment(array, **settings).count
        return 2 * array.size, count, highest_resident() - before


def matches(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Count found, spurious and missed nuclei at each threshold, shape (thresholds, 3), matched one to one."""
    from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps

    overlaps = find_overlaps(truth.astype(np.int64), found)
    true, predicted = len(overlaps.true_areas), len(overlaps.predicted_areas)
    ious = np.zeros((true, predicted))
    ious[overlaps.true_index, overlaps.predicted_index] = overlaps.ious
    counts = []
    for threshold in THRESHOLDS:
        # Below IoU 0.5 several could match: as many as possible, the better ones first.
        gain = np.where(ious > threshold, 1 + 1e-3 * ious, 0)
        hits = int((gain[linear_sum_assignment(-gain)] > 0).sum())
        counts.append((hits, predicted - hits, true - hits))
    return np.array(counts)


def _spell(counts: np.ndarray) -> str:
    return "/".join(f"{hits / max(hits + spurious + missed, 1):.2f}" for hits, spurious, missed in counts)
