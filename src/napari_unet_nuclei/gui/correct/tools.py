"""What each key and button of the dock does to the nucleus in the frame, or else to the one under the mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.history import Entry, Touched
from napari_unet_nuclei.core.corrections.review import ACCEPT, DISMISS
from napari_unet_nuclei.core.errors import EditError, NucleiError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.edit import Edit, find_box
from napari_unet_nuclei.core.labels.edit.single import (
    add_from_click,
    add_from_image,
    add_from_outline,
    clear_border,
    delete,
    fill_holes,
    resegment_box,
    smooth,
    usual_diameter,
)
from napari_unet_nuclei.core.labels.edit.split_merge import (
    merge,
    merge_with_neighbour,
    split_by_line,
    split_by_seeds,
    split_in_two,
)
from napari_unet_nuclei.core.labels.regions import pixel, united
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.types import AnyArray, Index, QuantisedMaps, Region
from napari_unet_nuclei.gui.correct.canvas_input import CanvasInput, Gesture, Kind
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.navigator import Navigator
from napari_unet_nuclei.gui.correct.session import CorrectSession

SMOOTHING_SHARE = 0.06
"""Radius of smoothing as a share of the nucleus's diameter."""

MOST_FRAMED = 12
"""Most nuclei that are framed after an edit; more frames would hide the picture."""

HOW_TO_UNDO = "Ctrl+Z undoes it."


class Tools(QObject):
    """The commands of correcting; each raises an `EditError` where it cannot be carried out."""

    status = Signal(str)
    """What was done, or what to do next."""

    expected = Signal(str)
    """What the tool that waits for the mouse expects; empty once none waits, and at the next command."""

    failed = Signal(object)

    def __init__(
        self, current: CurrentCorrection, navigator: Navigator, canvas_input: CanvasInput, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._current = current
        self._navigator = navigator
        self._canvas_input = canvas_input
        self._splits_by_image = False
        self._thresholds: DecodeThresholds | None = None
        self._box: tuple[Index, Region, Entry | None] | None = None
        """The box that was segmented last, and the history's entry of it; None where that failed."""
        self.waiting = ""
        """Name of the command that waits for a gesture."""
        canvas_input.waiting_changed.connect(self._note_waiting)
        current.changed.connect(self._forget)

    @property
    def session(self) -> CorrectSession:
        """The current session."""
        return self._current.require()

    def _forget(self) -> None:
        """Let the sliders change no box of the former layer, and start from the thresholds of the new one."""
        self._thresholds = self._box = None

    def next(self) -> None:
        """Go to the most doubtful nucleus that is left."""
        self.status.emit("")
        self._navigator.next()

    def accept(self) -> None:
        """Accept the nucleus, and go on; where one was missed, add it, and frame it to be looked at."""
        if self._missed() is not None:
            self.add()
            return
        index, boxes = self._nuclei()
        self.session.decide(ACCEPT, index, united(list(boxes.values())), [(index, nucleus) for nucleus in boxes])
        self._go_on(f"Accepted {named(boxes)}.")

    def accept_rest(self) -> None:
        """Accept all nuclei that are left on the plane, and dismiss all places where one may have been missed."""
        index = self._navigator.shown_plane()
        left = self.session.review.pending(index)
        if not left:
            raise EditError("Nothing is left on this plane.")
        found = [(index, one.id) for one in left if one.kind == "found"]
        missed = [(index, one.box) for one in left if one.kind == "missed"]
        self.session.decide(ACCEPT, index, united([one.box for one in left]), found, missed)
        # Nothing is left, so that this announces the end of the queue.
        self._navigator.next()
        self.status.emit(f"Accepted {quantity(len(found), 'nucleus', 'nuclei')}. {HOW_TO_UNDO}")

    def delete(self) -> None:
        """Delete the nucleus, or dismiss a place where one may have been missed. Then go on."""
        missed = self._missed()
        if missed is not None:
            self.session.decide(DISMISS, missed.plane, missed.box, dismissed=[(missed.plane, missed.box)])
            self._go_on("No nucleus there.")
            return
        index, nucleus, box = self._nucleus()
        edit = delete(self._plane(index), nucleus, hints={nucleus: box})
        # The place is dismissed with it, or the network's maps would soon offer it as a missed nucleus.
        self.session.edit(index, edit, dismissed=[(index, box)])
        self._go_on(f"{told(edit.title)}. {HOW_TO_UNDO}")

    def join(self) -> None:
        """Merge the nucleus with the neighbour that shares the longest border with it."""
        index, nucleus, box = self._nucleus()
        self._make(index, merge_with_neighbour(self._plane(index), nucleus, hints={nucleus: box}))

    def split(self) -> None:
        """Split the nucleus in two at the most plausible place."""
        index, nucleus, box = self._nucleus()
        session = self.session
        maps, hints = session.corrected.maps(index), {nucleus: box}
        self._make(index, split_in_two(self._plane(index), nucleus, session.next_id, maps=maps, hints=hints))

    def add(self) -> None:
        """Add the missed nucleus in the frame, else the one under the mouse, else the one that is clicked next."""
        index, missed = self._navigator.shown_plane(), self._missed()
        point = self._navigator.under_mouse() if missed is None else missed.centre
        if point is None or self.waiting:
            self.add_by_click()
        else:
            self._add_at(index, point)

    def add_by_click(self) -> None:
        """Add the nucleus that is clicked next."""
        how = "Click where a nucleus was missed. Press G again to cancel."
        self._wait("add_by_click", how, "points", self._add_clicked, 1)

    def fill(self) -> None:
        """Fill the holes of the nucleus."""
        index, nucleus, box = self._nucleus()
        self._make(index, fill_holes(self._plane(index), nucleus, hints={nucleus: box}))

    def smooth(self) -> None:
        """Smooth the outline of the nucleus."""
        index, nucleus, box = self._nucleus()
        y0, y1, x0, x1 = box
        radius = max(SMOOTHING_SHARE * float(np.hypot(y1 - y0, x1 - x0)), 1.0)
        self._make(index, smooth(self._plane(index), nucleus, radius, hints={nucleus: box}))

    def clear_border(self) -> None:
        """Delete all nuclei that touch the edge of the image."""
        index = self._navigator.shown_plane()
        edit = clear_border(self._plane(index))
        self._make(index, edit, dismissed=[(index, patch.region) for patch in edit.patches])

    def cut(self) -> None:
        """Cut nuclei along a line that the user draws."""
        how = "Draw a line across a nucleus, from outside to outside. Press K again to cancel."
        self._wait("cut", how, "line", self._cut)

    def seeds(self) -> None:
        """Split a nucleus by points that the user clicks."""
        if self.waiting == "seeds":
            self._canvas_input.finish()
        else:
            how = "Click once in each part of the nucleus, then press T again."
            self._wait("seeds", how, "points", self._split_by_seeds)

    def unite(self) -> None:
        """Merge two nuclei that the user clicks."""
        self._wait("unite", "Click the two nuclei that are one. Press U again to cancel.", "points", self._unite, 2)

    def box(self) -> None:
        """Segment again within a box that the user draws."""
        # Asked for before the user has drawn a box in vain.
        self._seen(self._navigator.shown_plane())
        self._wait("box", "Draw a box to segment again. Press W again to cancel.", "box", self._segment_box)

    def outline(self) -> None:
        """Add a nucleus within an outline that the user draws."""
        how = "Draw around the nucleus; it gets the background inside. Press Q again to cancel."
        self._wait("outline", how, "outline", self._add_outlined)

    def undo(self) -> None:
        """Undo the last edit, stroke or decision."""
        self._step(self.session.undo(), "Undone", "There is nothing to undo.")

    def redo(self) -> None:
        """Redo what was undone last."""
        self._step(self.session.redo(), "Redone", "There is nothing to redo.")

    def do(self, verb: str) -> None:
        """Carry out the command of this name, and report its outcome."""
        # Sliders change a box only until the next command: later they would undo work that came after it.
        self._box = None
        if not self._canvas_input.is_waiting:
            self.expected.emit("")
        self._attempt(getattr(self, verb))

    def split_by_image(self, by_image: bool) -> None:
        """Split by clicks along the valleys of the image, or else by shape."""
        self._splits_by_image = by_image

    def change_thresholds(self, thresholds: DecodeThresholds) -> None:
        """Set the thresholds for boxes, and apply them to the box that was segmented last."""
        self._thresholds = thresholds
        if self._box is not None:
            self._attempt(self._segment_again, *self._box)

    def _attempt(self, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except NucleiError as error:
            self.failed.emit(error)

    def _wait(
        self,
        verb: str,
        how: str,
        kind: Kind,
        take: Callable[[Gesture], None],
        count: int = 0,
        *,
        through_frames: bool = False,
    ) -> None:
        """Wait for a gesture; the same key pressed again cancels."""
        self._navigator.shown_plane()
        is_again = self.waiting == verb
        # Before the name is set: cancelling another tool's gesture clears it.
        self._canvas_input.cancel()
        self.status.emit("Cancelled." if is_again else how)
        self.expected.emit("" if is_again else how)
        if not is_again:
            self.waiting = verb
            self._canvas_input.wait_for(kind, partial(self._attempt, take), count, through_frames=through_frames)

    def _note_waiting(self) -> None:
        if not self._canvas_input.is_waiting:
            self.waiting = ""
            self.expected.emit("")

    def _add_clicked(self, gesture: Gesture) -> None:
        (y, x) = gesture.points[0].tolist()
        self._add_at(gesture.index, (y, x))

    def _add_at(self, index: Index, point: tuple[float, float]) -> None:
        """Grow a nucleus from the network's maps, or where they are not kept, from the image."""
        session = self.session
        corrected, plane = session.corrected, self._plane(index)
        maps, thresholds = corrected.maps(index), corrected.thresholds
        if maps is not None and thresholds is not None:
            edit = add_from_click(plane, point, maps, thresholds, session.next_id)
        else:
            image = corrected.intensities(index)
            if image is None:
                raise EditError("There is neither an image nor what a network saw of one: draw an outline (Q).")
            diameter = float(corrected.provenance.get("diameter", 0)) or usual_diameter(plane)
            edit = add_from_image(plane, point, image, diameter, session.next_id, is_dark=corrected.is_bright)
        self._make(index, edit)

    def _cut(self, gesture: Gesture) -> None:
        plane = self._plane(gesture.index)
        self._make(gesture.index, split_by_line(plane, gesture.points, self.session.next_id))

    def _split_by_seeds(self, gesture: Gesture) -> None:
        plane, session = self._plane(gesture.index), self.session
        nucleus, hint = self._clicked(gesture, 0)
        image = session.corrected.intensities(gesture.index) if self._splits_by_image else None
        points = [(float(y), float(x)) for y, x in gesture.points]
        edit = split_by_seeds(plane, nucleus, points, session.next_id, image=image, hints={nucleus: hint})
        self._make(gesture.index, edit)

    def _unite(self, gesture: Gesture) -> None:
        (first, one), (second, other) = self._clicked(gesture, 0), self._clicked(gesture, 1)
        self._make(gesture.index, merge(self._plane(gesture.index), first, second, hints={first: one, second: other}))

    def _segment_box(self, gesture: Gesture) -> None:
        # Sorted, as a box may be drawn from any of its corners.
        (y0, x0), (y1, x1) = np.sort(np.rint(gesture.points[[0, -1]]).astype(int), axis=0).tolist()
        self._segment(gesture.index, (y0, y1 + 1, x0, x1 + 1))

    def _segment_again(self, index: Index, region: Region, entry: Entry | None) -> None:
        # Only if it is still the last step: a brush stroke since then must not be undone in its place.
        if entry is not None and self.session.history.last is entry:
            self.session.undo()
        self._segment(index, region)

    def _segment(self, index: Index, region: Region) -> None:
        # Kept also if nothing is found with these thresholds, so that the sliders can try others.
        self._box = (index, region, None)
        maps, thresholds = self._seen(index)
        wanted = self._thresholds or thresholds
        edit = resegment_box(self._plane(index), region, maps, wanted, self.session.next_id)
        # The network's answer again: nothing that a person has confirmed.
        entry = self.session.edit(index, replace(edit, title="Segment the box again"), accepted=())
        self._box = (index, region, entry)
        changed = quantity(len(edit.boxes()), "nucleus", "nuclei")
        self.status.emit(f"{changed} changed in the box. Move the sliders to try other thresholds. {HOW_TO_UNDO}")

    def _add_outlined(self, gesture: Gesture) -> None:
        self._make(gesture.index, add_from_outline(self._plane(gesture.index), gesture.points, self.session.next_id))

    def _make(self, index: Index, edit: Edit, dismissed: Sequence[tuple[Index, Region]] = ()) -> None:
        """Apply an edit, and frame the resulting nuclei for inspection."""
        self.session.edit(index, edit, dismissed=dismissed)
        self._navigator.frame_nuclei(index, edit.touched if edit.boxes() and len(edit.touched) <= MOST_FRAMED else ())
        self.status.emit(f"{told(edit.title)}. {HOW_TO_UNDO}")

    def _go_on(self, done: str) -> None:
        """Go to the next nucleus of the queue, or back to the position in the queue."""
        navigator, candidate = self._navigator, self._navigator.candidate
        if candidate is None:
            navigator.release()
        elif self.session.review.is_pending(candidate):
            navigator.go_to(candidate)
        else:
            navigator.next()
        self.status.emit(done)

    def _step(self, touched: Touched | None, done: str, nothing: str) -> None:
        if touched is None:
            raise EditError(nothing)
        self._navigator.show_step(touched)
        self.status.emit(f"{done}: {touched.title}.")

    def _nuclei(self) -> tuple[Index, dict[int, Region]]:
        """Return the framed nuclei of the shown plane, else the one under the mouse."""
        index, framed = self._navigator.shown_plane(), self._navigator.framed
        if framed is not None and framed.boxes and framed.index == index:
            return index, framed.boxes
        plane = self._plane(index)
        y, x = pixel(self._mouse(), plane.shape)
        nucleus = int(plane[y, x])
        if nucleus <= 0:
            raise EditError("There is no nucleus under the mouse: point at one, or press N for the next doubtful one.")
        return index, {nucleus: find_box(plane, nucleus, (y, y + 1, x, x + 1))}

    def _nucleus(self) -> tuple[Index, int, Region]:
        index, boxes = self._nuclei()
        if len(boxes) > 1:
            raise EditError("Several nuclei are framed: click the one that you mean.")
        [(nucleus, box)] = boxes.items()
        return index, nucleus, box

    def pointed(self) -> tuple[Index, int]:
        """Return plane and id of the framed nucleus, else of the one under the mouse; raise `EditError` for none."""
        index, nucleus, _ = self._nucleus()
        return index, nucleus

    def _missed(self) -> Candidate | None:
        """Return the framed place where a nucleus may have been missed; None where the frame shows something else."""
        framed = self._navigator.framed
        if framed is None or not framed.is_missed or framed.index != self._navigator.shown_plane():
            return None
        return framed.candidate

    def _mouse(self) -> tuple[float, float]:
        point = self._navigator.under_mouse()
        if point is None:
            raise EditError("Point at a nucleus with the mouse, or press N for the next doubtful one.")
        return point

    def _clicked(self, gesture: Gesture, number: int) -> tuple[int, Region]:
        """Return the nucleus at a point of a gesture, and the pixel there."""
        if number >= len(gesture.points):
            raise EditError("Nothing was clicked: press the key again, then click.")
        plane = self._plane(gesture.planes[number])
        y, x = pixel(gesture.points[number], plane.shape)
        nucleus = int(plane[y, x])
        if nucleus <= 0:
            raise EditError("There is only background where you clicked: click inside a nucleus.")
        return nucleus, (y, y + 1, x, x + 1)

    def _plane(self, index: Index) -> AnyArray:
        return self.session.corrected.view[index]

    def _seen(self, index: Index) -> tuple[QuantisedMaps, DecodeThresholds]:
        """Return the network's maps of a plane, and the thresholds of the labels."""
        corrected = self.session.corrected
        maps, thresholds = corrected.maps(index), corrected.thresholds
        if maps is None or thresholds is None:
            raise EditError(
                "The network's maps of this image are not kept: segment the image first, or draw an outline (Q)."
            )
        return maps, thresholds


def named(boxes: dict[int, Region]) -> str:
    """Name nuclei in a message."""
    numbers = ", ".join(map(str, boxes))
    return f"nucleus {numbers}" if len(boxes) == 1 else f"nuclei {numbers}"


_PAST = {
    "Add": "Added",
    "Clear": "Cleared",
    "Delete": "Deleted",
    "Fill": "Filled",
    "Merge": "Merged",
    "Smooth": "Smoothed",
}


def told(title: str) -> str:
    """Return the title of an edit, as *Undo* has it, as a report of what was done.

    Examples
    --------
    >>> told("Add nucleus 63"), told("Split nucleus 5")
    ('Added nucleus 63', 'Split nucleus 5')
    """
    verb, _, rest = title.partition(" ")
    return f"{_PAST.get(verb, verb)} {rest}"
