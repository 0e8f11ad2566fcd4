"""What a kind of work leaves when nothing disturbs it, and whether what something left is that, or was before."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import tifffile

from endurance.children import DONE, Child
from endurance.works import Work, steps_noted
from napari_unet_nuclei.core.model.header import hash_tensors


@dataclass(frozen=True)
class Undisturbed:
    """Work that was done twice without disturbance.

    Attributes
    ----------
    former, whole : Path
        Folders as they were before, and as they are after the work.
    same : mapping of str to str
        Essence of each file that the work is said to make alike each time; others must only be whole.
    steps : int
        How many steps on the disk the work took.
    seconds : float
        How long it took.
    """

    work: Work
    former: Path
    whole: Path
    same: Mapping[str, str]
    steps: int
    seconds: float

    @staticmethod
    def of(work: Work, sandbox: Path) -> Undisturbed:
        """Do the work twice in folders in a sandbox."""
        former = sandbox / "former"
        former.mkdir()
        work.prepare(former)
        whole, again = copied(former, sandbox / "whole"), copied(former, sandbox / "whole again")
        began = time.monotonic()
        steps, _ = (go_on(work, folder) for folder in (whole, again))
        seconds = (time.monotonic() - began) / 2
        same, other = (_chosen(essences_in(folder), work.compared) for folder in (whole, again))
        assert same == other, (
            f"{work.name}: two undisturbed runs differ in {sorted(set(same.items()) ^ set(other.items()))}"
        )
        missing = [ending for ending in work.compared if not any(name.endswith(ending) for name in same)]
        assert not missing, f"{work.name}: nothing of {missing} can be compared in {sorted(essences_in(whole))}"
        return Undisturbed(work, former, whole, same, steps, seconds)

    def check_between(self, folder: Path) -> None:
        """Raise unless each file is as before or as after the whole work; half-written ones have names of their own."""
        before = essences_in(self.former)
        for name, path in files_in(folder).items():
            if is_half_written(name) or name not in {**before, **self.same}:
                continue
            essence = essence_of(path)
            if not name.endswith(self.work.passing) and essence not in (before.get(name), self.same.get(name)):
                raise AssertionError(f"{name} is neither as before nor as afterwards")
        self.work.look(folder)

    def check_after(self, folder: Path) -> None:
        """Raise unless a folder holds what the undisturbed work leaves, and nothing else."""
        found, expected = set(files_in(folder)), set(files_in(self.whole))
        if self.work.names_differ:
            found, expected = ({name for name in names if is_half_written(name)} for names in (found, expected))
        if found != expected:
            raise AssertionError(f"left over: {sorted(found - expected)[:5]}, missing: {sorted(expected - found)[:5]}")
        for name, path in files_in(folder).items():
            essence = essence_of(path)
            if name in self.same and essence != self.same[name]:
                raise AssertionError(f"{name} differs from that of an undisturbed run")
        self.work.look(folder)
        found_state, expected_state = self.work.state(folder), self.work.state(self.whole)
        if found_state != expected_state:
            raise AssertionError(f"{found_state} in place of {expected_state}")


def go_on(work: Work, folder: Path) -> int:
    """Do work to its end, and return how many steps on the disk it took; raise if it cannot be done."""
    ended = Child(lambda: work.do(folder), folder).end()
    if ended.code != DONE:
        raise AssertionError(f"it cannot be gone on with: {ended.told}")
    return int(ended.told)


def _chosen(essences: Mapping[str, str], endings: tuple[str, ...]) -> dict[str, str]:
    return {name: essence for name, essence in essences.items() if name.endswith(endings)}


def copied(former: Path, target: Path) -> Path:
    """Put a copy of a folder in the place of another, and return that."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(former, target)
    steps_noted(target).unlink(missing_ok=True)
    return target


def keep_example(folder: Path, kept: Path, name: str) -> None:
    """Keep what is in a folder for whoever looks into a violation."""
    copied(folder, kept / name)


def is_half_written(name: str) -> bool:
    """Tell whether a file or one of its folders has the name of one that is being written."""
    return any(part.startswith(".") and ".part" in part for part in Path(name).parts)


def half_written_in(folder: Path) -> list[str]:
    """Return the names of files below a folder that are being written, or were left so."""
    return [name for name in files_in(folder) if is_half_written(name)]


def files_in(folder: Path) -> dict[str, Path]:
    """Return all files by their names below a folder."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def essences_in(folder: Path) -> dict[str, str]:
    """Return the essences of all files by their names below a folder."""
    return {name: essence_of(path) for name, path in files_in(folder).items()}


def essence_of(path: Path) -> str:
    """Return a hash of what a file says; raise if it is not whole."""
    match path.suffix:
        case ".tif":
            pixels = tifffile.imread(path)
            return hashlib.sha256(f"{pixels.dtype} {pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        case ".safetensors" if "checkpoint" not in path.name:
            return hash_tensors(path)
        case ".png":
            iio.imread(path)
        case ".json" | ".geojson":
            json.loads(path.read_text(encoding="utf-8"))
        case ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                widths = {len(row) for row in csv.reader(file)}
            assert len(widths) == 1, f"{path} has rows of different lengths"
        case ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None, f"{path} is damaged"
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), f"{path} is cut"
    return hashlib.sha256(path.read_bytes()).hexdigest()
