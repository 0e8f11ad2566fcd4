"""Do work in a copy of this process, which may be killed, and which says how it ended."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from napari_unet_nuclei.core.errors import NucleiError

STEPS = frozenset({"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "shutil.copyfile"})
"""Audit events of steps on the disk."""

DONE, IN_WORDS, BARE = 0, 2, 1
"""Exit codes of a child that ended by itself."""


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes
    ----------
    killed : bool
    code : int
        `DONE`, `IN_WORDS` for an error that the program words, `BARE` for any other; negative for a signal.
    told : str
        The error; of work that is done, how many steps on the disk it took.
    """

    killed: bool
    code: int
    told: str


class Child:
    """A copy of this process that does one thing; with ``dies_at``, it kills itself at that step in a folder."""

    def __init__(self, do: Callable[[], object], folder: Path, dies_at: int = 0) -> None:
        self._answers, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._answers)
            _live(do, folder, dies_at, writing)
        os.close(writing)

    def kill_after(self, seconds: float) -> None:
        """Kill it outright after a while, unless it has ended."""
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)

    def end(self) -> Ended:
        """Wait for its end."""
        with os.fdopen(self._answers) as answers:
            told = answers.read()
        _, status = os.waitpid(self._child, 0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code == -signal.SIGKILL, code, told)


def _live(do: Callable[[], object], folder: Path, dies_at: int, writing: int) -> NoReturn:
    """Do the thing, count its steps on the disk, and die at one of them; the life of a child."""
    steps, inside = 0, f"{folder}{os.sep}"

    def step(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if event in STEPS and str(arguments[0]).startswith(inside):
            steps += 1
            if steps == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(step)
    code, told = DONE, ""
    try:
        do()
        told = str(steps)
    except NucleiError as error:
        code, told = IN_WORDS, f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # the child must not go on as a second parent
        code, told = BARE, traceback.format_exc()[-600:]
    os.write(writing, told.encode("utf-8", "replace"))
    os._exit(code)
