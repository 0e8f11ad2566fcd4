"""Try a function thousands of times in a child process that is watched: its time, its memory, and what it touches."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NoReturn

from napari_unet_nuclei.core.errors import NucleiError

LONGEST = 30.0
"""Seconds of the processor that a trial may take."""

PATIENCE = 240.0
"""Seconds by the clock after which a trial counts as hung; other programs may have the processor meanwhile."""

MOST_MEMORY = 5 * 2**29
"""Bytes that a trial may take beyond what the program had before it."""

MOST_ADDRESSES = 2 * MOST_MEMORY
"""Bytes that it may ask for, which end it before it takes the computer's."""

RUNS_CODE = frozenset({
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system",
    "pickle.find_class", "pty.spawn", "socket.connect", "subprocess.Popen",
})  # fmt: skip
"""Audit events of running a program, calling what a pickle names, and opening a connection."""

BAIT = "bait"
"""Part of the name of files beside the trial's folder that nothing may open."""

PACKAGE = f"{os.sep}napari_unet_nuclei{os.sep}"

Kind = Literal["read", "refused in words", "wrong", "bare error", "slow", "memory", "crash", "hang", "code or files"]
ALLOWED: tuple[Kind, ...] = ("read", "refused in words")


class WrongRead(AssertionError):
    """A spoiled file was taken for a good one, and what was read of it is not right."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, and where or why."""

    kind: Kind
    detail: str = ""


def outcomes(
    trials: int, prepare: Callable[[int], None], attempt: Callable[[], object], sandbox: Path
) -> Iterator[tuple[int, Outcome]]:
    """Prepare trials 0, 1, 2 and so on and attempt each, in a child, and in a new one after each that died or hung.

    An attempt may write within ``sandbox`` alone. Whatever is to be imported should have been: its time is bounded.
    """
    done = 0
    while done < trials:
        for number, outcome in _in_child(range(done, trials), prepare, attempt, sandbox):
            yield number, outcome
            done = number + 1


def _in_child(
    trials: range, prepare: Callable[[int], None], attempt: Callable[[], object], sandbox: Path
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes until all trials are done, or the child has died in one of them."""
    reading, writing = os.pipe()
    trace = sandbox / "crash.txt"
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as answers, trace.open("w") as crashes:
                faulthandler.enable(crashes, all_threads=False)
                _try_all(trials, prepare, attempt, sandbox, answers)
        except BaseException:  # noqa: BLE001  # the child must not go on as a second parent
            traceback.print_exc()
        os._exit(1)
    os.close(writing)
    at = trials.start
    try:
        with os.fdopen(reading) as answers:
            while at < trials.stop:
                ready, _, _ = select.select([answers], [], [], PATIENCE)
                line = answers.readline() if ready else ""
                if not ready:
                    yield at, Outcome("hang", f"no answer in {PATIENCE:.0f} s")
                    return
                if not line:
                    _, status = os.waitpid(child, 0)
                    child = 0
                    if not os.WIFSIGNALED(status):
                        raise RuntimeError(f"the campaign itself failed in trial {at}")
                    yield at, Outcome("crash", f"{signal.Signals(os.WTERMSIG(status)).name}{_crashed(trace)}")
                    return
                yield at, Outcome(*json.loads(line))
                at += 1
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _try_all(
    trials: range,
    prepare: Callable[[int], None],
    attempt: Callable[[], object],
    sandbox: Path,
    answers: IO[str],
) -> NoReturn:
    """Tell the outcome of each trial; the life of a child."""
    logging.disable()  # what libraries think of spoiled files
    warnings.simplefilter("ignore")
    watch = _Watch(sandbox)
    sys.addaudithook(watch)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + MOST_ADDRESSES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in trials:
        prepare(number)
        outcome = _tried(attempt, watch)
        answers.write(json.dumps([outcome.kind, outcome.detail]) + "\n")
        answers.flush()
    os._exit(0)


def _tried(attempt: Callable[[], object], watch: _Watch) -> Outcome:
    watch.seen.clear()
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest use of memory so far
    had, began = _status("VmRSS"), time.process_time()
    watch.watching = True
    outcome = _answer(attempt)
    watch.watching = False
    took, more = time.process_time() - began, _status("VmHWM") - had
    if watch.seen:
        return Outcome("code or files", watch.seen[0])
    if outcome.kind not in ALLOWED:
        return outcome
    if more > MOST_MEMORY:
        return Outcome("memory", f"more than {MOST_MEMORY // 2**20} MiB; {outcome.kind}: {outcome.detail}")
    if took > LONGEST:
        return Outcome("slow", f"more than {LONGEST:.0f} s; {outcome.kind}: {outcome.detail}")
    return outcome


def _answer(attempt: Callable[[], object]) -> Outcome:
    """Tell how a call ends."""
    try:
        attempt()
    except NucleiError as error:
        short = _memory_error(error)
        return Outcome("memory", f"asked for too much: {_place(short)}") if short else Outcome("refused in words")
    except WrongRead as error:
        return Outcome("wrong", str(error))
    except MemoryError as error:
        return Outcome("memory", f"asked for too much, in no words: {_place(error)}")
    except BaseException as error:  # noqa: BLE001  # whatever it is, it must not end the campaign
        return Outcome("bare error", _place(error))
    return Outcome("read")


def _memory_error(error: BaseException | None) -> MemoryError | None:
    """Return the shortage of memory behind an error, if there was one."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error


def _place(error: BaseException) -> str:
    """Return an error with the innermost line of this program that it passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in frame.filename]
    place = f" at {frames[-1].filename.rpartition(PACKAGE)[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {str(error)[:160]!r}"


def _status(name: str) -> int:
    """Return a figure of this process's memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _crashed(trace: Path) -> str:
    """Return where Python was when its process died."""
    lines = [line.strip() for line in trace.read_text().splitlines() if PACKAGE in line]
    return f" at {lines[0].rpartition(PACKAGE)[2]}" if lines else ""


class _Watch:
    """Notes what a trial runs, and which files it opens that are none of its business."""

    def __init__(self, sandbox: Path) -> None:
        self.watching = False
        self.seen: list[str] = []
        self._sandbox = f"{sandbox}{os.sep}"

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.watching:
            return
        if event in RUNS_CODE:
            self.seen.append(f"{event} {arguments[:2]}"[:200])
        elif event == "open" and isinstance(arguments[0], str | bytes):
            path = os.fspath(Path.cwd() / os.fsdecode(arguments[0]))
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if BAIT in Path(path).name or (writes and not path.startswith((self._sandbox, "/dev/", "/proc/"))):
                self.seen.append(f"opens {path}")
