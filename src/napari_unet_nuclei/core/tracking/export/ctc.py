"""Write tracks as the Cell Tracking Challenge defines them: a mask per frame, and a text file of tracks.

The format knows no gaps: the part of a track behind a gap becomes a track of its own, the only daughter of the part
before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent
from napari_unet_nuclei.core.tracking.export.folder import whole_folder
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.track import TrackResult

TRACKS_FILE = "res_track.txt"
"""Name that the challenge gives to its table: a line per track with its id, first frame, last frame and parent."""

LARGEST_ID = 2**16 - 1
"""The masks have 16 bits."""

_MASK = re.compile(r"mask\d{3,}\.tif")


def write_ctc(folder: Path | str, result: TrackResult, *, progress: Progress | None = None) -> None:
    """Write tracks in the format of the Cell Tracking Challenge: ``mask000.tif``, ... and ``res_track.txt``.

    Parameters
    ----------
    folder : Path or str
        Replaced if it holds such results already.
    result : TrackResult
        Tracks are cut at gaps, which the format does not know; the later part has the earlier one as its parent.
    progress : Progress, optional
        Receives an event per frame, and can cancel there.

    Raises
    ------
    OutputFileError
        If there are more than 65,535 tracks, the folder holds other files, or it cannot be written.

    Examples
    --------
    >>> from napari_unet_nuclei import time_series, track, write_ctc
    >>> write_ctc("01_RES", track(time_series().labels))
    >>> sorted(path.name for path in Path("01_RES").iterdir())[-2:]
    ['mask011.tif', 'res_track.txt']
    """
    path, progress = Path(folder), progress or Silent()
    cut = without_gaps(result.lineages)
    highest = int(cut.track.max(initial=0))
    if highest > LARGEST_ID:
        raise OutputFileError(
            f"{path} was not written: the format of the Cell Tracking Challenge holds {LARGEST_ID:,} tracks, and these "
            f"are {highest:,}. Leave out short tracks, or write GEFF."
        )
    frames = result.movie.shape[0]
    digits = max(3, len(str(frames - 1)))
    with whole_folder(path, _is_ctc) as partial:
        for time in range(frames):
            progress.report(Advanced(time / frames, f"writing frame {time + 1} of {frames}"))
            mask = cut.lineages.relabelled(time, result.movie.frame(time)).astype(np.uint16)
            tifffile.imwrite(partial / f"mask{time:0{digits}}.tif", mask, compression="zlib", photometric="minisblack")
        (partial / TRACKS_FILE).write_text(cut.text, encoding="ascii")


@dataclass(frozen=True, eq=False)
class CutTracks:
    """Tracks without gaps."""

    lineages: Lineages

    @property
    def track(self) -> NDArray[np.int64]:
        """For every row, the id of its track."""
        return self.lineages.track

    @property
    def text(self) -> str:
        """The lines of `TRACKS_FILE`."""
        frame = self.lineages.spots.frame
        begin, end = frame[self.lineages.first], frame[self.lineages.last]
        # The parent is the last part of the mother.
        rows = zip(self.lineages.ids, begin, end, self.lineages.parent, strict=True)
        return "".join(f"{track} {first} {last} {parent}\n" for track, first, last, parent in rows)


def without_gaps(lineages: Lineages) -> CutTracks:
    """Cut tracks at gaps: ids of first parts stay, later parts get new ones."""
    spots, previous = lineages.spots, lineages.previous
    kept = lineages.track > 0
    after_gap = kept & (previous >= 0) & (spots.frame - spots.frame[previous] > 1)
    # Of daughters after a gap, the birth is where the new track begins anyway.
    after_gap &= lineages.track == lineages.track[previous]
    track = lineages.track.copy()
    fresh = int(track.max(initial=0))
    for row in np.flatnonzero(after_gap):  # in the order of the frames: a later cut renames what an earlier one made
        fresh += 1
        rows = lineages.rows(int(lineages.track[row]))
        track[rows[spots.frame[rows] >= spots.frame[row]]] = fresh
    return CutTracks(Lineages(spots, previous, track))


def _is_ctc(folder: Path) -> bool:
    return all(path.name == TRACKS_FILE or _MASK.fullmatch(path.name) for path in folder.iterdir())
