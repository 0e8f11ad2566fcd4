"""Segment a movie frame by frame, each kept on disk at once: memory holds one frame, and a killed run goes on there."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.write import write_json
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.progress import Advanced, Progress, Share, with_shares
from napari_unet_nuclei.core.segment.fingerprint import hash_pixels
from napari_unet_nuclei.core.segment.frames import FramedResult, FrameLabels, frame_axes, frame_requests
from napari_unet_nuclei.core.segment.remedy import Remedy, remedies
from napari_unet_nuclei.core.segment.request import Decided, SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.settings import BatchSettings
from napari_unet_nuclei.core.types import Labels

DECIDING = 0.02
"""Share of the progress bar in which one frame decides how all are read."""

SEGMENTING = 0.9
"""Share of a frame's progress that the network and the decoding take; measuring takes the rest."""

Turn = Callable[[int], AbstractContextManager[object]]
"""Given how many pixels are to be segmented, waits on entering until the processor has room for them."""

_OWNER = "of.json"
_COLUMN = "column "
_THRESHOLDS = TypeAdapter(DecodeThresholds)


@dataclass(frozen=True)
class KeptFrame:
    """What is kept of a frame besides its labels: scores and table by its own ids from 1, and how it was made."""

    scores: NDArray[np.float64]
    table: pd.DataFrame
    about: dict[str, Any]


@dataclass(frozen=True)
class FrameStore:
    """A folder with a file for each frame that is done; ``owner`` tells the image and the request by JSON values."""

    folder: Path
    owner: Mapping[str, Any]

    def begin(self) -> None:
        """Forget frames of another image or request."""
        try:
            known = read_json(self.folder / _OWNER)
        except (OSError, ValueError):
            known = None
        if known != json.loads(json.dumps(self.owner)):
            self.remove()
            write_json(self.folder / _OWNER, self.owner)

    def holds(self, number: int) -> bool:
        """Tell whether a frame is done, and whole: a power cut may have left it empty."""
        try:
            self.read(number)
            self.labels(number)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return False
        return True

    def keep(self, number: int, result: SegmentResult, table: pd.DataFrame) -> None:
        """Write a frame; it is there whole or not at all."""
        told = {remedy.text for remedy in result.remedies}
        about = {
            "notices": [notice for notice in result.notices if notice not in told],
            "remedies": [asdict(remedy) for remedy in result.remedies],
            "seconds": result.seconds,
            "thresholds": _THRESHOLDS.dump_python(result.thresholds, mode="json"),
            "model_thresholds": _THRESHOLDS.dump_python(result.model_thresholds, mode="json"),
            "provenance": result.provenance,
        }
        content: dict[str, Any] = {f"{_COLUMN}{name}": _plain(table[name].to_numpy()) for name in table}
        content |= {"labels": result.labels, "scores": result.scores, "about": np.array(json.dumps(about))}
        with atomic(self._path(number)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **content)

    def read(self, number: int) -> KeptFrame:
        """Read what is kept of a frame, without its labels."""
        with np.load(self._path(number), allow_pickle=False) as file:
            columns = {name.removeprefix(_COLUMN): file[name] for name in file.files if name.startswith(_COLUMN)}
            return KeptFrame(file["scores"], pd.DataFrame(columns), json.loads(str(file["about"])))

    def labels(self, number: int) -> Labels:
        """Read the labels of a frame."""
        path = self._path(number)
        return _read_labels(path, path.stat().st_mtime_ns)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.npz"


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return texts as NumPy's own, since objects would be written as a pickle."""
    return values.astype(str) if values.dtype == object else values


# One: outlines of a large frame are traced part by part.
@lru_cache(maxsize=1)
def _read_labels(path: Path, modified: int) -> Labels:
    """Read labels; ``modified`` makes a changed file be read again."""
    with np.load(path, allow_pickle=False) as file:
        labels: Labels = file["labels"]
        return labels


def segment_frames(
    request: SegmentRequest, store: FrameStore, batch: BatchSettings, progress: Progress, turn: Turn
) -> tuple[FramedResult, pd.DataFrame]:
    """Segment and measure all frames that are not done yet, and return the result and the table of all."""
    from napari_unet_nuclei.core.segment.run import decide, run_segment  # imports PyTorch

    store.begin()
    asked = frame_requests(request)
    planes = sum(1 for _ in request.source.plane_indices(asked[0].plane))
    pixels = math.prod(request.source.plane_shape) * planes
    with turn(pixels):
        decided = decide(request, Share(progress, 0.0, DECIDING))
    asked = tuple(replace(one, decided=decided) for one in asked)
    for number, (one, share) in enumerate(with_shares(asked, Share(progress, DECIDING, 1.0))):
        share.report(Advanced(0.0, f"frame {number + 1} of {len(asked)}"))
        if store.holds(number):
            continue
        with turn(pixels):
            result = run_segment(one, Share(share, 0.0, SEGMENTING))
        store.keep(number, result, measure_result(result, one, Share(share, SEGMENTING, 1.0), batch))
    return _gathered(request, store, decided, len(asked))


def _remedy(stored: Mapping[str, Any]) -> Remedy:
    return Remedy(**stored)


def _gathered(
    request: SegmentRequest, store: FrameStore, decided: Decided, count: int
) -> tuple[FramedResult, pd.DataFrame]:
    """Number the nuclei of all frames through, and describe the run as a whole."""
    frames = [store.read(number) for number in range(count)]
    ends = np.cumsum([len(frame.scores) for frame in frames])
    offsets = np.append(0, ends[:-1])
    tables = [
        frame.table.assign(label=frame.table["label"] + offset)
        for frame, offset in zip(frames, offsets, strict=True)
        if len(frame.table)
    ]
    table = pd.concat(tables, ignore_index=True) if tables else frames[0].table
    source, first = request.source, frames[0].about
    kind, kind_chosen = decided.look.kind, request.settings.kind != "auto"
    told = remedies(int(ends[-1]), kind, decided.sure, kind_chosen)
    # What is doubtful about stacks, as their spacing, by the frame in the middle; that of counts holds for all.
    middle = frames[count // 2]
    counted = remedies(len(middle.scores), kind, decided.sure, kind_chosen)
    told += tuple(one for one in map(_remedy, middle.about["remedies"]) if one not in counted)
    notices = dict.fromkeys(notice for frame in frames for notice in frame.about["notices"])
    chosen = dict(enumerate(request.plane))
    leading = [size if chosen.get(axis) is None else 1 for axis, size in enumerate(source.leading_shape)]
    height, width = source.plane_shape
    region = request.region or (0, height, 0, width)
    indices = tuple(source.plane_indices(request.plane))
    result = FramedResult(
        labels=FrameLabels(
            (*leading, region[1] - region[0], region[3] - region[2]), frame_axes(request), offsets, store.labels
        ),
        scores=np.concatenate([frame.scores for frame in frames]),
        axes=source.channel_axes,
        origin=(*(chosen.get(axis) or 0 for axis in range(len(leading))), region[0], region[2]),
        thresholds=_THRESHOLDS.validate_python(first["thresholds"]),
        model_thresholds=_THRESHOLDS.validate_python(first["model_thresholds"]),
        notices=(*notices, *(remedy.text for remedy in told)),
        remedies=told,
        seconds=sum(frame.about["seconds"] for frame in frames),
        provenance={
            **first["provenance"],
            "plane": list(request.plane),
            "image_hash": hash_pixels(source, indices, decided.look.channels, region),
        },
    )
    return result, table
