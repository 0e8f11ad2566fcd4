"""What keys and buttons do to nuclei that extend through the planes of a stack."""

from __future__ import annotations

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.volume import (
    StackEdit,
    cut_from,
    delete_volume,
    merge_volumes,
    merge_with_touching,
)
from napari_unet_nuclei.core.types import AnyArray, Index
from napari_unet_nuclei.gui.correct.canvas_input import Gesture
from napari_unet_nuclei.gui.correct.tools import HOW_TO_UNDO, Tools


class VolumeTools(Tools):
    """The commands of correcting, which act through all planes where the labels hold volumes."""

    @property
    def holds_volumes(self) -> bool:
        """True where nuclei extend through planes."""
        return self.session.corrected.depth is not None

    def delete(self) -> None:
        """Delete the nucleus from all planes, as in a plane otherwise."""
        if not self.holds_volumes or self._missed() is not None:
            super().delete()
            return
        index, nucleus, _ = self._nucleus()
        edit = delete_volume(self._stack(index), nucleus)
        self.session.edit_stack(index, edit)
        self._go_on(f"{edit.title} in {_counted(len(edit.planes))}. {HOW_TO_UNDO}")

    def join(self) -> None:
        """Merge the nucleus with the neighbour that touches most of its surface, in all planes."""
        if not self.holds_volumes:
            super().join()
            return
        index, nucleus, _ = self._nucleus()
        self._make_through(index, merge_with_touching(self._stack(index), nucleus))

    def cut_here(self) -> None:
        """Give the nucleus another id from the shown plane on."""
        if not self.holds_volumes:
            raise EditError("Only nuclei that extend through planes can be cut between two planes: draw a line (K).")
        index, nucleus, _ = self._nucleus()
        depth = self.session.corrected.depth
        assert depth is not None, "told above"
        self._make_through(index, cut_from(self._stack(index), nucleus, index[depth], self.session.next_id))

    def _unite(self, gesture: Gesture) -> None:
        if not self.holds_volumes:
            super()._unite(gesture)
            return
        (first, _), (second, _) = self._clicked(gesture, 0), self._clicked(gesture, 1)
        self._make_through(gesture.index, merge_volumes(self._stack(gesture.index), first, second))

    def _make_through(self, index: Index, edit: StackEdit) -> None:
        """Apply an edit to all planes, and frame the resulting nuclei in the shown one for inspection."""
        self.session.edit_stack(index, edit)
        self._navigator.frame_nuclei(index, edit.touched)
        self.status.emit(f"{edit.title}: {_counted(len(edit.planes))} changed. {HOW_TO_UNDO}")

    def _stack(self, index: Index) -> AnyArray:
        return self.session.corrected.stack(index)


def _counted(planes: int) -> str:
    return "1 plane" if planes == 1 else f"{planes} planes"
