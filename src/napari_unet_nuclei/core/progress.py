"""One contract for progress and cancelling, shared by the window, the command line and the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # the program's --help answers before NumPy would be there
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")


class Cancelled(Exception):
    """The user asked to stop. No error: only the outermost caller catches it."""


@dataclass(frozen=True)
class Advanced:
    """Work has moved on.

    Attributes
    ----------
    fraction : float
        Share of the whole job that is done, 0 to 1, never falling.
    message : str
        What is being done now, in the user's words ("tile 3 of 12").
    """

    fraction: float
    message: str


@dataclass(frozen=True)
class Notice:
    """Something the user should know, said once (a smaller tile was needed, pixels were not finite).

    Attributes
    ----------
    message : str
    warning : bool
        Whether it is said also to those who want to hear of nothing but what goes wrong.
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
        What validation gave, by name: "foreground IoU" and "AP@0.5" of nuclei, "mean IoU" and "pixel accuracy" of
        classes, all 0 to 1; of several data sets and kinds of images each by itself as well, "AP@0.5 dsb2018 stained".
    """

    epoch: int
    train_loss: float
    val_loss: float
    scores: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Preview:
    """What a network that is being trained makes of one held-out crop by now.

    Attributes
    ----------
    epoch : int
        Epochs that have ended; 0 for the network that was started from.
    truth, found : ndarray, shape (Y, X, 3), uint8
        The crop with the outlines that are right, and with those that were found.
    """

    epoch: int
    truth: NDArray[np.uint8]
    found: NDArray[np.uint8]


Event = Advanced | Notice | EpochDone | Preview


class Progress(Protocol):
    """Where a verb reports to, and where it learns that the user wants to stop."""

    @property
    def finish_requested(self) -> bool:
        """True once the user asked to end early and keep what is best so far."""

    def report(self, event: Event) -> None:
        """Tell the face what happened.

        Raises
        ------
        Cancelled
            As soon as the user has cancelled; the caller unwinds and keeps nothing.
        """


class Silent:
    """Progress for callers who want neither reports nor a way to cancel."""

    finish_requested = False

    def report(self, event: Event) -> None:
        """Ignore the event."""


@dataclass
class Rising:
    """Progress whose fraction never falls, for work of which a part may have to be done again."""

    parent: Progress
    reached: float = 0.0

    @property
    def finish_requested(self) -> bool:
        """As the parent says."""
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass the event to the parent, with the largest fraction so far."""
        if isinstance(event, Advanced):
            self.reached = max(self.reached, event.fraction)
            event = Advanced(self.reached, event.message)
        self.parent.report(event)


@dataclass(frozen=True)
class Share:
    """A part of a parent's progress: fractions 0 to 1 are mapped into ``start`` to ``stop`` of the parent.

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
        """As the parent says."""
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
