"""A Progress that tests can read, and that cancels or finishes a job at a chosen report."""

from __future__ import annotations

from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Notice


class RecordingProgress:
    """Keeps every event, and holds the verb to the contract: fractions lie in 0 to 1 and never fall.

    Parameters
    ----------
    cancel_after : int
        The report, counted from 1, at which the user cancels; 0 for never.
    finish_after : int
        The report from which on the user wants to finish early; 0 for never.
    """

    def __init__(self, cancel_after: int = 0, finish_after: int = 0) -> None:
        self.cancel_after = cancel_after
        self.finish_after = finish_after
        self.events: list[Event] = []

    @property
    def finish_requested(self) -> bool:
        return 0 < self.finish_after <= len(self.events)

    @property
    def fractions(self) -> list[float]:
        return [event.fraction for event in self.events if isinstance(event, Advanced)]

    @property
    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice)]

    def report(self, event: Event) -> None:
        if isinstance(event, Advanced):
            assert 0 <= event.fraction <= 1 + 1e-9, f"the fraction {event.fraction} is outside 0 to 1"
            assert event.fraction >= max(self.fractions, default=0) - 1e-9, f"progress fell to {event.fraction}"
        self.events.append(event)
        if 0 < self.cancel_after <= len(self.events):
            raise Cancelled
