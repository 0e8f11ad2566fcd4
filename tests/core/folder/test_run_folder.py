from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.lock import alone
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.folder.run_folder import kept_number_format
from napari_unet_nuclei.core.model import number_format

HOLDING = """
import sys, time
from pathlib import Path
from napari_unet_nuclei.core.files.lock import alone
with alone(Path(sys.argv[1]), Path("results")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_kept_out_until_the_first_has_ended(tmp_path):
    lock = tmp_path / "out" / ".lock"
    with alone(lock, tmp_path / "out"):
        with pytest.raises(OutputFileError, match="Another run is writing"), alone(lock, tmp_path / "out"):
            pass
        assert lock.exists(), "who was kept out has removed the lock"
    assert not lock.exists()
    with alone(lock, tmp_path / "out"):
        pass


def test_another_process_keeps_runs_out_for_as_long_as_it_lives(tmp_path):
    lock = tmp_path / ".nuclei" / ".lock"
    command = [sys.executable, "-c", HOLDING, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        (tmp_path / "in.png").touch()
        with pytest.raises(OutputFileError, match="Another run is writing"):
            segment_files([tmp_path / "in.png"], tmp_path)
        other.kill()
    with alone(lock, tmp_path):
        pass


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_simulated_file_system_without_locks_stops_nobody(tmp_path, monkeypatch, code):
    def refuse(file: int, kind: int) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)
    with alone(tmp_path / ".lock", tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()


def test_many_runs_that_begin_and_end_at_once_never_hold_a_place_together(tmp_path):
    inside, most = [], []

    def hold(number: int) -> bool:
        try:
            with alone(tmp_path / ".lock", tmp_path):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
        except OutputFileError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(hold, range(200)))
    assert set(most) == {1}
    assert not (tmp_path / ".lock").exists()


def test_a_lock_that_cannot_be_made_is_an_error_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputFileError, match="Choose another folder"), alone(tmp_path / "file" / ".lock", tmp_path):
        pass


def test_a_folder_keeps_the_number_format_it_was_begun_with(tmp_path, monkeypatch):
    def on_a_computer_that_prefers(chosen: str) -> None:
        monkeypatch.setattr(number_format, "cpu_number_format", lambda: chosen)

    on_a_computer_that_prefers("bfloat16")
    assert kept_number_format(tmp_path, afresh=False) == "bfloat16"
    on_a_computer_that_prefers("float32")
    assert kept_number_format(tmp_path, afresh=False) == "bfloat16"
    assert kept_number_format(tmp_path, afresh=True) == "float32"
    Path(tmp_path, ".nuclei", ".number-format").write_bytes(b"\xff nonsense")
    assert kept_number_format(tmp_path, afresh=False) == "float32"
