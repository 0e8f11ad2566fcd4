"""Streams that are closed, full or of an old encoding cost no result and end in no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.program import write_image
from tests.helpers.tiny import write_tiny_model

PROGRAM = f"{sys.executable} -m napari_unet_nuclei"

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("streams", [">/dev/full", "2>&-", ">&- 2>&-"])
def test_a_run_whose_streams_take_nothing_ends_with_its_summary(tmp_path, streams) -> None:
    image, out, model = write_image(tmp_path / "a.png"), tmp_path / "out", tmp_path / "tiny.safetensors"
    write_tiny_model(model)
    ended = shell(f"{PROGRAM} segment {image} --out {out} --model {model} --device cpu {streams}")
    assert ended.returncode == 0, ended.stderr
    assert pd.read_csv(out / "summary.csv")["status"].tolist() == ["done"]
    assert "Traceback" not in ended.stderr
    assert ("cannot be written: No space left" in ended.stderr) == ("full" in streams)


@pytest.mark.parametrize(("streams", "code"), [(">/dev/full", 1), ("2>&-", 0), (">&-", 0)])
def test_what_cannot_be_printed_ends_in_words(streams, code) -> None:
    ended = shell(f"{PROGRAM} --version {streams}")
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)


def test_help_is_shown_on_a_terminal_that_knows_ascii_alone() -> None:
    ended = shell(f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {PROGRAM} segment --help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--diameter" in ended.stdout
