from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from napari_unet_nuclei.core.model import number_format
from napari_unet_nuclei.core.model.number_format import GAIN, cpu_number_format, faster_format, time_formats

BUSY = "print('busy', flush=True)\nwhile True: pass"


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CACHE", str(tmp_path / "cache"))
    cpu_number_format.cache_clear()
    yield
    cpu_number_format.cache_clear()


def kept_files() -> list[Path]:
    return list(Path(os.environ["NAPARI_UNET_NUCLEI_CACHE"]).glob("number-format-*.json"))


def forbid_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_format, "time_formats", lambda: pytest.fail("it was timed again"))


@pytest.mark.parametrize("found", ["float32", "bfloat16"])
def test_what_one_process_found_all_others_take(found, monkeypatch):
    other = {"float32": 1.0, "bfloat16": 1.0} | {found: 0.1}
    monkeypatch.setattr(number_format, "time_formats", lambda: other)
    assert cpu_number_format() == found
    cpu_number_format.cache_clear()
    forbid_timing(monkeypatch)
    assert cpu_number_format() == found


@pytest.mark.parametrize("content", ["", "{", "[]", '{"computer": {}, "number format": "float32"}', "float16"])
def test_a_file_that_says_nothing_of_this_computer_is_replaced(content, monkeypatch):
    first = cpu_number_format()
    [file] = kept_files()
    file.write_text(content)
    cpu_number_format.cache_clear()
    assert cpu_number_format() == first
    assert json.loads(file.read_text())["number format"] == first


def test_another_version_of_pytorch_is_timed_anew(monkeypatch):
    cpu_number_format()
    cpu_number_format.cache_clear()
    monkeypatch.setattr(torch, "__version__", "99.0")
    cpu_number_format()
    assert len(kept_files()) == 2


def test_where_nothing_can_be_kept_it_is_found_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CACHE", str(tmp_path / "a file"))
    assert cpu_number_format() in ("float32", "bfloat16")


def test_timing_leaves_the_number_of_threads_as_it_was():
    threads = torch.get_num_threads()
    time_formats()
    assert torch.get_num_threads() == threads


def test_the_answer_is_the_same_with_twice_as_many_busy_processes_as_cores():
    alone = time_formats()
    if 0.8 < alone["float32"] / alone["bfloat16"] / GAIN < 1.25:
        pytest.skip("on this processor the two are about as fast")
    count = 2 * (os.cpu_count() or 1)
    busy = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in busy:
            assert process.stdout is not None
            process.stdout.readline()
        answers = {faster_format(time_formats()) for _ in range(5)}
    finally:
        for process in busy:
            process.kill()
            process.communicate()
    assert answers == {faster_format(alone)}
