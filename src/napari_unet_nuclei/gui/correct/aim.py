"""Which nucleus is meant: the one in the frame, the one under the mouse, or the one that was clicked."""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.edit import find_box
from napari_unet_nuclei.core.labels.regions import pixel
from napari_unet_nuclei.core.types import AnyArray, QuantisedMaps, Region
from napari_unet_nuclei.gui.correct.gestures import Gesture
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.correct.walk import Walk
from napari_unet_nuclei.gui.viewer.corrected_layer import Index


@dataclass(frozen=True)
class Aim:
    """Finds what a tool acts on; every method raises an `EditError` that says what to do where there is nothing.

    Attributes
    ----------
    walk : Walk
        Knows what has the frame.
    """

    walk: Walk

    def session(self) -> CorrectSession:
        """Return what is corrected."""
        if self.walk.session is None:
            raise EditError("Choose labels to correct first.")
        return self.walk.session

    def nuclei(self) -> tuple[Index, dict[int, Region]]:
        """Return the nuclei in the frame on the plane that is shown, else the one under the mouse."""
        index, framed = self.walk.shown_plane(), self.walk.framed
        if framed is not None and framed.boxes and framed.index == index:
            return index, framed.boxes
        plane, (y, x) = self.plane(index), self.mouse()
        y, x = pixel((y, x), plane.shape)
        nucleus = int(plane[y, x])
        if nucleus <= 0:
            raise EditError("There is no nucleus under the mouse: point at one, or press N for the next doubtful one.")
        return index, {nucleus: find_box(plane, nucleus, (y, y + 1, x, x + 1))}

    def nucleus(self) -> tuple[Index, int, Region]:
        """Return the one nucleus that is acted on."""
        index, boxes = self.nuclei()
        if len(boxes) > 1:
            raise EditError("Several nuclei are framed: click the one that you mean.")
        [(nucleus, box)] = boxes.items()
        return index, nucleus, box

    def missed(self) -> Candidate | None:
        """Return the place in the frame where a nucleus may have been missed; None where that is not what it shows."""
        framed = self.walk.framed
        if framed is None or not framed.is_missed or framed.index != self.walk.shown_plane():
            return None
        return framed.candidate

    def mouse(self) -> tuple[float, float]:
        """Return the point (y, x) under the mouse."""
        point = self.walk.under_mouse()
        if point is None:
            raise EditError("Point at a nucleus with the mouse, or press N for the next doubtful one.")
        return point

    def clicked(self, gesture: Gesture, number: int) -> tuple[int, Region]:
        """Return the nucleus at a point of a gesture, and the pixel there."""
        if number >= len(gesture.points):
            raise EditError("Nothing was clicked: press the key again, then click.")
        plane = self.plane(gesture.index)
        y, x = pixel(gesture.points[number], plane.shape)
        nucleus = int(plane[y, x])
        if nucleus <= 0:
            raise EditError("There is only background where you clicked: click inside a nucleus.")
        return nucleus, (y, y + 1, x, x + 1)

    def plane(self, index: Index) -> AnyArray:
        """Return the labels of a plane."""
        return self.session().corrected.view[index]

    def seen(self, index: Index) -> tuple[QuantisedMaps, DecodeThresholds]:
        """Return what the network saw in a plane."""
        corrected = self.session().corrected
        maps, thresholds = corrected.maps(index), corrected.thresholds
        if maps is None or thresholds is None:
            raise EditError(
                "What the network saw here is not kept: segment the image first, or draw an outline instead (Q)."
            )
        return maps, thresholds
