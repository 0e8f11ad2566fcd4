"""One contract for progress and cancelling, shared by the window, the command line and the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:  # the program's --help answers before NumPy would be there
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")


class Cancelled(Exception):
    """The user asked to stop. Not an error: only the outermost caller catches it."""


@dataclass(frozen=True)
class Advanced:
    """Work has advanced.

    Attributes
    ----------
    fraction : float
        Completed share of the whole job, 0 to 1, never falling.
    message : str
        Current step in the user's words ("tile 3 of 12").
    """

    fraction: float
    message: str


@dataclass(frozen=True)
class Notice:
    """Something the user should know (a smaller tile was needed, pixels were not finite); reported once.

    Attributes
    ----------
    message : str
    warning : bool
        Show even in quiet mode.
    """

    message: str
    warning: bool = False


@dataclass(frozen=True)
class EpochDone:
    """One epoch of training has ended.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    train_loss, val_loss : float
        Mean loss on the training crops of this epoch and on the validation images.
    scores : mapping of str to float
        Validation scores by name, 0 to 1: "foreground IoU" and "AP@0.5" of nuclei, "mean IoU" and "pixel accuracy" of
        classes; with several data sets or kinds of images also for each of them, as "AP@0.5 dsb2018 stained".
    """

    epoch: int
    train_loss: float
    val_loss: float
    scores: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Preview:
    """The present prediction of a network in training for one held-out crop.

    Attributes
    ----------
    epoch : int
        Completed epochs; 0 for the initial network.
    truth, found : ndarray, shape (Y, X, 3), uint8
        The crop with the true outlines, and with the predicted ones.
    """

    epoch: int
    truth: NDArray[np.uint8]
    found: NDArray[np.uint8]


Event = Advanced | Notice | EpochDone | Preview


@runtime_checkable
class Progress(Protocol):
    """Receives the reports of a verb, and tells it that the user wants to stop."""

    @property
    def finish_requested(self) -> bool:
        """True once the user asked to finish early and keep the best so far."""

    def report(self, event: Event) -> None:
        """Report an event.

        Raises
        ------
        Cancelled
            Once the user has cancelled; the caller unwinds and discards its work.
        """


class Silent:
    """Progress for callers who need neither reports nor cancelling."""

    finish_requested = False

    def report(self, event: Event) -> None:
        """Ignore the event."""


@dataclass
class Rising:
    """Progress whose fraction never falls, for work that may be partly repeated."""

    parent: Progress
    reached: float = 0.0

    @property
    def finish_requested(self) -> bool:
        """True once the parent is asked to finish early."""
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass the event to the parent, with the largest fraction so far."""
        if isinstance(event, Advanced):
            self.reached = max(self.reached, event.fraction)
            event = Advanced(self.reached, event.message)
        self.parent.report(event)


@dataclass(frozen=True)
class Share:
    """A part of a parent's progress: fractions 0 to 1 map to ``start`` to ``stop`` of the parent.

    Examples
    --------
    >>> class Printing(Silent):
    ...     def report(self, event):
    ...         print(event.fraction)
    >>> Share(Printing(), 0.5, 1.0).report(Advanced(0.5, "half of the second half"))
    0.75
    """

    parent: Progress
    start: float
    stop: float

    @property
    def finish_requested(self) -> bool:
        """True once the parent is asked to finish early."""
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass the event to the parent, its fraction mapped into this share."""
        if isinstance(event, Advanced):
            event = Advanced(self.start + (self.stop - self.start) * event.fraction, event.message)
        self.parent.report(event)


def with_shares(items: Sequence[T], progress: Progress) -> Iterator[tuple[T, Share]]:
    """Pair each item with an equal share of a parent's progress.

    Examples
    --------
    >>> [(item, share.start, share.stop) for item, share in with_shares("ab", Silent())]
    [('a', 0.0, 0.5), ('b', 0.5, 1.0)]
    """
    for number, item in enumerate(items):
        yield item, Share(progress, number / len(items), (number + 1) / len(items))
