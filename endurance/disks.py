"""Work on a disk that becomes full, or that may only be read, and go on once it has room."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from endurance.children import DONE, IN_WORDS, Child
from endurance.tally import Tally, joined
from endurance.undisturbed import Undisturbed, copied, go_on, keep_example
from endurance.works import WORKS, Work

FULL = 10
"""How often the disk becomes full for each kind of work."""

LARGEST = "512m"
"""Of the disk in memory while there is room on it."""

PAGE = 4096
"""Bytes that such a disk is divided into."""

REMEDIES = {
    "full": re.compile("Free some space"),
    "read-only": re.compile("[Cc]hoose another folder|write the labels beside"),
}
"""What an error has to advise."""


def run(share: float, kept: Path) -> Tally:
    """Fill disks, where this may be done: as root on Linux, who may mount one in memory."""
    with _disk() as disk:
        if disk is None:
            raise SystemExit("The campaign of full disks mounts a disk in memory: run it as root, on Linux.")
        return joined(
            "Full and read-only disks", (_fill(work, max(round(FULL * share), 1), disk, kept) for work in WORKS)
        )


@contextmanager
def _disk() -> Iterator[Path | None]:
    """Provide an empty disk in memory; None where it may not be mounted."""
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        place = Path(name).resolve()
        if _mount("-t", "tmpfs", "-o", f"size={LARGEST}", "tmpfs", os.fspath(place)):
            try:
                yield place
            finally:
                subprocess.run(["umount", "--lazy", os.fspath(place)], check=True)
        else:
            yield None


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def _remount(disk: Path, options: str) -> None:
    assert _mount("-o", f"remount,{options}", os.fspath(disk)), options


def _fill(work: Work, rounds: int, disk: Path, kept: Path) -> Tally:
    """Do work on a full disk again and again, and once on one that may only be read."""
    tally = Tally(work.name)
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        undisturbed = Undisturbed.of(work, Path(name).resolve())
        needed = _size(undisturbed.whole) - _size(undisturbed.former)
        for number in range(rounds + 1):
            folder = copied(undisturbed.former, disk / "work")
            room = Random(f"{work.name} {number}").uniform(0, needed)
            state = "read-only" if number == rounds else "full"
            options = "ro" if state == "read-only" else f"size={_used(disk) + max(int(room), 1)}"
            try:
                said = _work_on(undisturbed, folder, disk, options, REMEDIES[state])
                tally.count(f"{state}, said with the remedy" if said else f"{state}, but with room enough")
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a violation
                tally.violate(f"{type(error).__name__}: {str(error)[:400]}", f"{number}: {options}")
                keep_example(folder, kept, f"{work.name}, {state} {number}")
            finally:
                _remount(disk, f"rw,size={LARGEST}")
                shutil.rmtree(folder)
    return tally


def _work_on(undisturbed: Undisturbed, folder: Path, disk: Path, options: str, remedy: re.Pattern[str]) -> bool:
    """Do work on a disk of too little room; then look, make room, go on, and compare. Tell whether it was."""
    work = undisturbed.work
    _remount(disk, options)
    ended = Child(lambda: work.do(folder), folder).end()
    if ended.code not in (DONE, IN_WORDS) or (ended.code == IN_WORDS and not remedy.search(ended.told)):
        raise AssertionError(f"it ended with {ended.code} and without a remedy: {ended.told}")
    if ended.code == IN_WORDS:
        undisturbed.check_between(folder)
    _remount(disk, f"rw,size={LARGEST}")
    go_on(work, folder)
    undisturbed.check_after(folder)
    return ended.code == IN_WORDS


def _size(folder: Path) -> int:
    """Return the bytes that a folder takes on such a disk."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.rglob("*") if path.is_file())


def _used(disk: Path) -> int:
    space = os.statvfs(disk)
    return (space.f_blocks - space.f_bfree) * space.f_frsize
