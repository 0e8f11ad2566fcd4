"""Progress on the terminal: a bar and messages on stderr, which leaves stdout to results."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Never, assert_never

import typer
from tqdm import tqdm

from napari_unet_nuclei.cli.streams import give_up_stdout
from napari_unet_nuclei.core.progress import Advanced, Cancelled, EpochDone, Event, Notice, Preview

_BAR = "{percentage:3.0f}% |{bar:24}| {elapsed} gone, {remaining} left {postfix}"


FINISH = "Finishing: training ends after this epoch and keeps the best weights so far."
"""Message of the commands that train."""


class TerminalProgress:
    """Context manager that shows progress and lets Ctrl+C stop the job.

    The first Ctrl+C cancels at the job's next report, the second interrupts Python at once. If the job can finish
    early, ``finish`` is the message to the user who asks for it: the first asks it to finish and keep its best result,
    the second cancels, the third interrupts. ``quiet`` hides the bar and all messages but warnings; the bar is always
    hidden if stderr is not a terminal.
    """

    def __init__(self, quiet: bool = False, finish: str = "") -> None:
        self.quiet = quiet
        self.finish = finish
        self.finish_requested = False
        self.cancel_requested = False
        self._bar: tqdm[Never] | None = None
        self._previous_handler: signal._HANDLER = signal.default_int_handler

    def __enter__(self) -> TerminalProgress:
        """Show the bar and install the handler of Ctrl+C."""
        disabled = True if self.quiet else None  # None: only if stderr is a terminal
        self._bar = tqdm(total=1.0, bar_format=_BAR, disable=disabled, leave=False, file=sys.stderr)
        if threading.current_thread() is threading.main_thread():  # Python allows handlers in the main thread only
            self._previous_handler = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar and restore the previous handler of Ctrl+C."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._previous_handler)
        if self._bar is not None:
            self._bar.close()

    def report(self, event: Event) -> None:
        """Show an event; raise `Cancelled` once the user has cancelled."""
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
                pass  # pictures cannot be shown on a terminal
            case _:
                assert_never(event)

    def say(self, message: str, *, always: bool = False) -> None:
        """Write a line to stderr, above the bar."""
        if always or not self.quiet:
            tqdm.write(message, file=sys.stderr)

    def show_result(self, line: str) -> None:
        """Write a line to stdout without breaking the bar; where that takes no more, the job goes on."""
        try:
            with tqdm.external_write_mode(file=sys.stdout):
                typer.echo(line)
        except OSError as error:
            give_up_stdout()
            self.say(f"Warning: The list of results cannot be written: {error.strerror}. The run goes on.", always=True)

    def _advance(self, fraction: float, message: str) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(message, refresh=False)
            # tqdm counts increments, the core reports how much is done in all.
            self._bar.update(fraction - self._bar.n)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """Handle Ctrl+C."""
        if self.cancel_requested:
            raise KeyboardInterrupt
        if self.finish and not self.finish_requested:
            self.finish_requested = True
            tqdm.write(f"{self.finish} Ctrl+C again cancels.", file=sys.stderr)
        else:
            self.cancel_requested = True
            tqdm.write("Cancelling. Ctrl+C again stops at once.", file=sys.stderr)
