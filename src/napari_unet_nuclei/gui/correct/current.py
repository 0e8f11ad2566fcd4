"""What is being corrected now: the one place that knows, and that every part of the dock asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.gui.correct.session import CorrectSession

if TYPE_CHECKING:
    from napari.layers import Image, Labels


class CurrentCorrection(QObject):
    """Hold the session of the chosen layer, and those of other layers, which keep their history."""

    # Parts of the dock keep no session or layer of their own: one that missed a change would go on acting on the layer
    # that was chosen before.

    changed = Signal()
    """Another layer or another image is chosen, or none. Whatever referred to the former layer is void."""

    edited = Signal()
    """The nuclei of a session, or decisions on them, have changed."""

    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sessions: list[CorrectSession] = []
        self._session: CorrectSession | None = None
        self._image: Image | None = None

    @property
    def session(self) -> CorrectSession | None:
        """The session of the chosen layer; None where no labels can be corrected."""
        return self._session

    @property
    def image(self) -> Image | None:
        """The chosen image, also where there are no labels of it."""
        return self._image

    @property
    def sessions(self) -> tuple[CorrectSession, ...]:
        """All sessions that have begun, whichever is current."""
        return tuple(self._sessions)

    def require(self) -> CorrectSession:
        """Return the current session; raise `EditError` if there is none."""
        if self._session is None:
            raise EditError("Choose labels to correct first.")
        return self._session

    def choose(self, layer: Labels | None, image: Image | None) -> None:
        """Correct a layer from now on, or nothing; its session begins when it is chosen for the first time.

        Raise `ImageShapeError` if it cannot be corrected, or the image does not belong to it.
        """
        session, before = None, (self._session, self._image)
        try:
            session = None if layer is None else self._session_of(layer, image)
        finally:
            # Also after an error: nothing is corrected then, rather than the layer that is not chosen any more.
            self._session, self._image = session, image
            if (session, image) != before:
                self.changed.emit()

    def close(self, session: CorrectSession) -> None:
        """End a session, e.g. because its layer is gone."""
        session.close()
        # A job of it may still run; it ends by itself, and nobody must hear of it.
        session.changed.disconnect(self.edited)
        session.failed.disconnect(self.failed)
        self._sessions.remove(session)
        if session is self._session:
            self._session = None
            self.changed.emit()

    def _session_of(self, layer: Labels, image: Image | None) -> CorrectSession:
        for session in self._sessions:
            if session.layer == layer:
                # Also for the same image: it may have other pixels now, and the labels a read-only array.
                session.choose_image(image)
                return session
        session = CorrectSession(layer, image)
        session.changed.connect(self.edited)
        session.failed.connect(self.failed)
        self._sessions.append(session)
        return session
