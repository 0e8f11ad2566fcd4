"""Jobs that list what is to be reviewed of a plane, or of a stack of volumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from napari_unet_nuclei.core.labels.doubt import Candidate, doubt
from napari_unet_nuclei.core.labels.doubt_volume import doubt_of_volumes
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.types import Index
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer


def candidates_job(
    corrected: CorrectedLayer, index: Index
) -> Callable[[Progress], tuple[Index, tuple[Candidate, ...]]]:
    """Return the job that lists all candidates of a plane, or of volumes those of the stack that it belongs to."""
    # Copied now, in the window's thread, where nobody is just writing to it.
    if corrected.depth is not None:
        return _volumes_job(corrected, index)
    plane, maps, thresholds = corrected.view[index].copy(), corrected.maps(index), corrected.thresholds

    def job(progress: Progress) -> tuple[Index, tuple[Candidate, ...]]:
        progress.report(Advanced(0.0, "looking for doubtful nuclei"))
        return index, tuple(replace(candidate, plane=index) for candidate in doubt(plane, maps, thresholds))

    return job


def _volumes_job(corrected: CorrectedLayer, index: Index) -> Callable[[Progress], tuple[Index, tuple[Candidate, ...]]]:
    """Return the job that lists all nuclei of a stack, each in its middle plane."""
    stack = corrected.stack(index).copy()

    def job(progress: Progress) -> tuple[Index, tuple[Candidate, ...]]:
        progress.report(Advanced(0.0, "looking for doubtful nuclei"))
        found = doubt_of_volumes(stack)
        return index, tuple(replace(one, plane=corrected.along_stack(index, *one.plane)) for one in found)

    return job
