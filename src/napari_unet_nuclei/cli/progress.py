"""Progress on the terminal: a bar and messages on stderr, so that stdout is for results alone."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Never, assert_never

import typer
from tqdm import tqdm

from napari_unet_nuclei.core.progress import Advanced, Cancelled, EpochDone, Event, Notice, Preview

_BAR = "{percentage:3.0f}% |{bar:24}| {elapsed} gone, {remaining} left {postfix}"


class TerminalProgress:
    """Shows a verb's progress and takes Ctrl+C as the wish to stop; use it as a context.

    The first Ctrl+C cancels at the verb's next report; one more interrupts Python at once. Where the job can finish
    early, the first asks it to finish and keep its best, the second cancels, the third interrupts.

    Parameters
    ----------
    quiet : bool
        Show no bar and no messages but warnings. The bar is also left out where stderr is no terminal.
    finish : str
        What finishing early means, for the user; empty where the job cannot finish early.
    """

    def __init__(self, quiet: bool = False, finish: str = "") -> None:
        self.quiet = quiet
        self.finish = finish
        self.finish_requested = False
        self.cancel_requested = False
        self._bar: tqdm[Never] | None = None
        self._previous_handler: signal._HANDLER = signal.default_int_handler

    def __enter__(self) -> TerminalProgress:
        """Show the bar and listen for Ctrl+C."""
        disabled = True if self.quiet else None  # None: only where stderr is a terminal
        self._bar = tqdm(total=1.0, bar_format=_BAR, disable=disabled, leave=False, file=sys.stderr)
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handler
            self._previous_handler = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away and give Ctrl+C back."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._previous_handler)
        if self._bar is not None:
            self._bar.close()

    def report(self, event: Event) -> None:
        """Show an event; raises `Cancelled` once the user has cancelled."""
        if self.cancel_requested:
            raise Cancelled
        match event:
            case Advanced(fraction, message):
                self._advance(fraction, message)
            case Notice(message, warning):
                self.say(message, always=warning)
            case EpochDone(epoch, train_loss, val_loss, scores):
                figures = "".join(f", {name} {value:.3f}" for name, value in scores.items())
                self.say(f"epoch {epoch}: loss {train_loss:.3f}, on validation images {val_loss:.3f}{figures}")
            case Preview():
                pass  # a terminal shows no pictures
            case _:
                assert_never(event)

    def say(self, message: str, *, always: bool = False) -> None:
        """Write a line on stderr, above the bar."""
        if always or not self.quiet:
            tqdm.write(message, file=sys.stderr)

    def show_result(self, line: str) -> None:
        """Write a line on stdout without tearing the bar."""
        with tqdm.external_write_mode(file=sys.stdout):
            typer.echo(line)

    def _advance(self, fraction: float, message: str) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(message, refresh=False)
            self._bar.update(fraction - self._bar.n)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """Answer Ctrl+C."""
        if self.cancel_requested:
            raise KeyboardInterrupt
        if self.finish and not self.finish_requested:
            self.finish_requested = True
            tqdm.write(f"{self.finish} Ctrl+C again cancels.", file=sys.stderr)
        else:
            self.cancel_requested = True
            tqdm.write("Cancelling. Ctrl+C again stops at once.", file=sys.stderr)
