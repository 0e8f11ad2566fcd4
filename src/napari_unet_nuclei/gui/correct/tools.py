"""What every key and button of the dock does to the nucleus in the frame, or else to the one under the mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.history import Touched
from napari_unet_nuclei.core.errors import EditError, NucleiError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.edit.add import add_from_click, add_from_outline, resegment_box
from napari_unet_nuclei.core.labels.edit.edit import Edit
from napari_unet_nuclei.core.labels.edit.merge import merge, merge_with_neighbour
from napari_unet_nuclei.core.labels.edit.retouch import clear_border, delete, fill_holes, smooth
from napari_unet_nuclei.core.labels.edit.split import split_by_line, split_by_seeds, split_in_two
from napari_unet_nuclei.core.labels.regions import united
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.correct.aim import Aim
from napari_unet_nuclei.gui.correct.gestures import Gesture, Gestures
from napari_unet_nuclei.gui.correct.review import ACCEPT, DISMISS
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.correct.walk import Walk
from napari_unet_nuclei.gui.viewer.corrected_layer import Index

SMOOTHING_SHARE = 0.06
"""Radius of smoothing, of the nucleus's diameter."""

MOST_FRAMED = 12
"""Nuclei that are framed after an edit; frames round all of them would hide the picture."""

BOX_TITLE = "Segment the box again"

HOW_TO_UNDO = "Ctrl+Z takes it back."


class Tools(QObject):
    """The verbs of correcting; each raises an `EditError` where it cannot be done.

    Parameters
    ----------
    walk : Walk
        Knows what has the frame.
    gestures : Gestures
        Waits for what is drawn.
    """

    status = Signal(str)
    """What was done, or what to do next."""

    failed = Signal(object)
    """A gesture came to nothing."""

    def __init__(self, walk: Walk, gestures: Gestures) -> None:
        super().__init__()
        self._walk = walk
        self._aim = Aim(walk)
        self._gestures = gestures
        self._splits_by_image = False
        self.thresholds: DecodeThresholds | None = None
        self._box: tuple[Index, Region] | None = None
        self.waiting = ""
        """Name of the verb that waits for a gesture."""
        gestures.waiting_changed.connect(self._note_waiting)

    @property
    def session(self) -> CorrectSession:
        """What is corrected; raises an `EditError` where nothing is."""
        return self._aim.session()

    def next(self) -> None:
        """Go to the most doubtful nucleus that is left."""
        self.status.emit("")
        self._walk.next()

    def accept(self) -> None:
        """Say that the nucleus is right, and go on."""
        if self._aim.missed() is not None:
            raise EditError("One may have been missed here: press G to add it, or D where there is none.")
        index, boxes = self._aim.nuclei()
        region = united(list(boxes.values()))
        self.session.accept(index, boxes, region)
        self._go_on(f"Accepted {_named(boxes)}.")

    def accept_rest(self) -> None:
        """Say that all that is left on the plane is right, and that nothing is missing."""
        index = self._walk.shown_plane()
        left = self.session.review.pending(index)
        if not left:
            raise EditError("Nothing is left on this plane.")
        found = [(index, one.id) for one in left if one.kind == "found"]
        missed = [(index, one.box) for one in left if one.kind == "missed"]
        self.session.decide(ACCEPT, index, united([one.box for one in left]), found, missed)
        self._walk.next()
        self.status.emit(f"Accepted {len(found)} nuclei. {HOW_TO_UNDO}")

    def delete(self) -> None:
        """Remove the nucleus; where one may have been missed, say that none was. Then go on."""
        missed = self._aim.missed()
        if missed is not None:
            self.session.decide(DISMISS, missed.plane, missed.box, dismissed=[(missed.plane, missed.box)])
            self._go_on("No nucleus there.")
            return
        index, nucleus, box = self._aim.nucleus()
        edit = delete(self._aim.plane(index), nucleus, hints={nucleus: box})
        self.session.edit(index, edit, dismissed=[(index, box)])
        self._go_on(f"{edit.title}. {HOW_TO_UNDO}")

    def join(self) -> None:
        """Merge the nucleus with the neighbour that it shares most of its border with."""
        index, nucleus, box = self._aim.nucleus()
        self._make(index, merge_with_neighbour(self._aim.plane(index), nucleus, hints={nucleus: box}))

    def split(self) -> None:
        """Split the nucleus where it most plausibly is two."""
        index, nucleus, box = self._aim.nucleus()
        session = self.session
        maps, hints = session.corrected.maps(index), {nucleus: box}
        self._make(index, split_in_two(self._aim.plane(index), nucleus, session.next_id, maps=maps, hints=hints))

    def add(self) -> None:
        """Add the nucleus that may have been missed, or one under the mouse, by what the network saw."""
        index, missed = self._walk.shown_plane(), self._aim.missed()
        point = self._aim.mouse() if missed is None else missed.centre
        maps, thresholds = self._aim.seen(index)
        self._make(index, add_from_click(self._aim.plane(index), point, maps, thresholds, self.session.next_id))

    def fill(self) -> None:
        """Fill the holes of the nucleus."""
        index, nucleus, box = self._aim.nucleus()
        self._make(index, fill_holes(self._aim.plane(index), nucleus, hints={nucleus: box}))

    def smooth(self) -> None:
        """Even out the outline of the nucleus."""
        index, nucleus, box = self._aim.nucleus()
        y0, y1, x0, x1 = box
        radius = max(SMOOTHING_SHARE * float(np.hypot(y1 - y0, x1 - x0)), 1.0)
        self._make(index, smooth(self._aim.plane(index), nucleus, radius, hints={nucleus: box}))

    def clear_border(self) -> None:
        """Remove all nuclei that the edge of the image cuts."""
        index = self._walk.shown_plane()
        edit = clear_border(self._aim.plane(index))
        self._make(index, edit, dismissed=[(index, patch.region) for patch in edit.patches])

    def cut(self) -> None:
        """Cut nuclei along a line that is drawn next."""
        if self._begins("cut", "Draw a line across a nucleus, from outside to outside. K again: never mind."):
            self._gestures.wait_for("line", partial(self._attempt, self._cut))

    def seeds(self) -> None:
        """Split a nucleus by points that are clicked next."""
        if self.waiting == "seeds":
            self._gestures.finish()
        elif self._begins("seeds", "Click once in each part of the nucleus, then press T again."):
            self._gestures.wait_for("points", partial(self._attempt, self._split_by_seeds))

    def unite(self) -> None:
        """Merge two nuclei that are clicked next."""
        if self._begins("unite", "Click the two nuclei that are one. U again: never mind."):
            self._gestures.wait_for("points", partial(self._attempt, self._unite), 2)

    def box(self) -> None:
        """Find the nuclei anew in a box that is drawn next."""
        self._aim.seen(self._walk.shown_plane())
        if self._begins("box", "Draw a box; the nuclei in it are found anew. W again: never mind."):
            self._gestures.wait_for("box", partial(self._attempt, self._segment_box))

    def outline(self) -> None:
        """Add a nucleus within an outline that is drawn next."""
        if self._begins("outline", "Draw round the nucleus; what is background there becomes it. Q again: never mind."):
            self._gestures.wait_for("outline", partial(self._attempt, self._add_outlined))

    def undo(self) -> None:
        """Take back the last edit, stroke or decision."""
        self._step(self.session.undo(), "Taken back", "There is nothing to take back.")

    def redo(self) -> None:
        """Make again what was taken back last."""
        self._step(self.session.redo(), "Made again", "There is nothing to make again.")

    def do(self, verb: str) -> None:
        """Do what a key or a button stands for, and say what came of it.

        Parameters
        ----------
        verb : str
            Name of one of the methods above.
        """
        self._box = None
        self._attempt(getattr(self, verb))

    def split_by_image(self, by_image: bool) -> None:
        """Let clicked points split along the valleys of the image, or else by shape."""
        self._splits_by_image = by_image

    def change_thresholds(self, thresholds: DecodeThresholds) -> None:
        """Take other thresholds for boxes; the box that was found anew last follows them."""
        self.thresholds = thresholds
        if self._box is not None:
            self._attempt(self._segment_again, *self._box)

    def _attempt(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something, and say what is wrong with it."""
        try:
            act(*arguments)
        except NucleiError as error:
            self.failed.emit(error)

    def _begins(self, verb: str, instruction: str) -> bool:
        """Tell whether a gesture is to be waited for; pressing its key once more ends the waiting."""
        self._walk.shown_plane()
        if self.waiting == verb:
            self._gestures.cancel()
            self.status.emit("Never mind.")
            return False
        self._gestures.cancel()
        self.waiting = verb
        self.status.emit(instruction)
        return True

    def _note_waiting(self) -> None:
        if not self._gestures.is_waiting:
            self.waiting = ""

    def _cut(self, gesture: Gesture) -> None:
        plane = self._aim.plane(gesture.index)
        self._make(gesture.index, split_by_line(plane, gesture.points, self.session.next_id))

    def _split_by_seeds(self, gesture: Gesture) -> None:
        plane, session = self._aim.plane(gesture.index), self.session
        nucleus, hint = self._aim.clicked(gesture, 0)
        image = session.corrected.intensities(gesture.index) if self._splits_by_image else None
        points = [(float(y), float(x)) for y, x in gesture.points]
        edit = split_by_seeds(plane, nucleus, points, session.next_id, image=image, hints={nucleus: hint})
        self._make(gesture.index, edit)

    def _unite(self, gesture: Gesture) -> None:
        (first, one), (second, other) = self._aim.clicked(gesture, 0), self._aim.clicked(gesture, 1)
        self._make(
            gesture.index, merge(self._aim.plane(gesture.index), first, second, hints={first: one, second: other})
        )

    def _segment_box(self, gesture: Gesture) -> None:
        (y0, x0), (y1, x1) = np.sort(np.rint(gesture.points[[0, -1]]).astype(int), axis=0).tolist()
        self._box = (gesture.index, (y0, y1 + 1, x0, x1 + 1))
        self._segment(*self._box)

    def _segment_again(self, index: Index, region: Region) -> None:
        """Find the nuclei of a box anew in place of what was found there before."""
        if self.session.history.undo_title == BOX_TITLE:
            self.session.undo()
        self._segment(index, region)

    def _segment(self, index: Index, region: Region) -> None:
        maps, thresholds = self._aim.seen(index)
        edit = resegment_box(self._aim.plane(index), region, maps, self.thresholds or thresholds, self.session.next_id)
        self.session.edit(index, replace(edit, title=BOX_TITLE), accepted=())
        self.status.emit(
            f"{len(edit.boxes())} nuclei changed in the box. Move the sliders to try others. {HOW_TO_UNDO}"
        )

    def _add_outlined(self, gesture: Gesture) -> None:
        self._make(
            gesture.index, add_from_outline(self._aim.plane(gesture.index), gesture.points, self.session.next_id)
        )

    def _make(self, index: Index, edit: Edit, dismissed: Sequence[tuple[Index, Region]] = ()) -> None:
        """Make an edit, and frame what has become of the nuclei, to be looked at."""
        self.session.edit(index, edit, dismissed=dismissed)
        self._walk.frame_nuclei(index, edit.touched if edit.boxes() and len(edit.touched) <= MOST_FRAMED else ())
        self.status.emit(f"{edit.title}. {HOW_TO_UNDO}")

    def _go_on(self, done: str) -> None:
        """Go to the next nucleus of the queue, or back to where the queue stands."""
        walk, current = self._walk, self._walk.current
        if current is None:
            walk.release()
        elif self.session.review.is_pending(current):
            walk.go_to(current)
        else:
            walk.next()
        self.status.emit(done)

    def _step(self, touched: Touched | None, done: str, nothing: str) -> None:
        if touched is None:
            raise EditError(nothing)
        self._walk.show_step(touched)
        self.status.emit(f"{done}: {touched.title}.")


def _named(boxes: dict[int, Region]) -> str:
    numbers = ", ".join(map(str, boxes))
    return f"nucleus {numbers}" if len(boxes) == 1 else f"nuclei {numbers}"
