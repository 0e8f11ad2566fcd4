import imageio.v3 as iio
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.cli import demo
from tests.helpers.program import run


def written(folder):
    labels = tifffile.imread(folder / "fluorescent_nuclei_labels.tif")
    table = pd.read_csv(folder / "fluorescent_nuclei_table.csv")
    overlay = iio.imread(folder / "fluorescent_nuclei_overlay.png")
    return labels, table, overlay


def test_without_a_window_it_writes_labels_table_and_overlay(tmp_path):
    shown = run("demo", "--no-window", "--out", tmp_path)
    assert shown.exit_code == 0, shown.output
    labels, table, overlay = written(tmp_path)
    assert labels.max() == len(table) > 50
    assert overlay.shape == (*labels.shape, 3)
    assert f"{len(table)} nuclei found" in shown.stdout
    assert "s on cpu" in shown.stdout or "s on cuda" in shown.stdout or "s on mps" in shown.stdout


@pytest.mark.skipif(demo.sys.platform != "linux", reason="other systems always have a screen")
def test_where_there_is_no_screen_it_says_so_and_writes_files(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    shown = run("demo")
    assert shown.exit_code == 0, shown.output
    assert "No window: there is no screen." in shown.stderr
    assert written(tmp_path / demo.FOLDER)[0].max() > 50


def test_where_the_window_cannot_open_it_says_so_and_writes_files(tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":no-such-screen")
    monkeypatch.setenv("QT_QPA_PLATFORM", "no-such-platform")
    monkeypatch.chdir(tmp_path)
    shown = run("demo", "--quiet")
    assert shown.exit_code == 0, shown.output
    assert written(tmp_path / demo.FOLDER)[0].max() > 50
