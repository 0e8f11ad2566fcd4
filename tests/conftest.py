"""What all tests share: where windows and real images come from, and that nothing of the user's is touched."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from tests.helpers.recording import RecordingProgress

# Read by napari and PyTorch when they are first imported, hence here and not in a fixture.
# Without a file napari keeps its settings in memory; with one it writes them several times for each window.
os.environ["NAPARI_CONFIG"] = ""
os.environ.setdefault("NAPARI_STRICT_QT", "raise")
# One thread: on images as small as the tests', more of them cost several times as much as they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Chosen with --hypothesis-profile; without it "dev", so that a run while one writes code stays short.
for profile, examples in {"dev": 15, "ci": 25, "nightly": 300}.items():
    hypothesis.settings.register_profile(profile, deadline=None, max_examples=examples)
hypothesis.settings.load_profile("dev")

OPEN_A_WINDOW = "from qtpy.QtWidgets import QApplication, QWidget; app = QApplication([]); QWidget().show()"
WINDOW_FIXTURES = {"qapp", "qtbot", "make_napari_viewer", "make_napari_viewer_proxy"}


def windows_required() -> bool:
    """True where a skipped window test is a failure, as on the project's own test machines."""
    return os.environ.get("NUCLEI_REQUIRE_WINDOW", "") not in ("", "0")


@cache
def window_problem() -> str:
    """Say why no window can be opened here; empty where one can.

    Qt aborts the whole process where it finds no screen or a library is missing, so that a child has to try.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no screen, and no Xvfb to stand in for one"
    trial = subprocess.run([sys.executable, "-c", OPEN_A_WINDOW], capture_output=True, text=True, check=False)
    if trial.returncode == 0:
        return ""
    lines = trial.stderr.strip().splitlines() or [f"exit status {trial.returncode}"]
    return f"Qt cannot open a window here: {lines[0]}"


def real_images_problem() -> str:
    """Say why there are no real images; empty where there are."""
    named = os.environ.get("NUCLEI_DATA", "")
    if not named:
        return "NUCLEI_DATA names no folder of real images"
    return "" if Path(named).is_dir() else f"the folder that NUCLEI_DATA names, {named}, does not exist"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WINDOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("gui")
    if any(item.get_closest_marker("gui") for item in items) and window_problem() and windows_required():
        raise pytest.UsageError(f"Window tests would be skipped, but NUCLEI_REQUIRE_WINDOW is set: {window_problem()}.")
    for item in items:
        if item.get_closest_marker("gui") and window_problem():
            item.add_marker(pytest.mark.skip(reason=window_problem()))
        if item.get_closest_marker("real") and real_images_problem():
            item.add_marker(pytest.mark.skip(reason=real_images_problem()))


def pytest_collection() -> None:
    """Look for no garbage while tests are imported and made: hardly any of it is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()


MANY_OBJECTS = 50_000
"""Objects that looks for garbage may pass over: napari looks whenever a layer goes, and keeps 5,000 of each window."""


def pytest_runtest_setup() -> None:
    """Leave what has stayed out of looks for garbage, and give PyTorch back its one thread.

    Numba, with which napari colours labels, sets a thread per core for both.
    """
    if len(gc.get_objects()) > MANY_OBJECTS:
        gc.collect()
        gc.freeze()
    # A thread of the test before may be importing it still.
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_threads is not None:
        set_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    lacks_images = item.get_closest_marker("real") and real_images_problem()
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and item.get_closest_marker("gui") and windows_required() and not lacks_images:
        report.outcome = "failed"
        report.longrepr = f"A window test was skipped, but NUCLEI_REQUIRE_WINDOW is set: {report.longrepr}"
    return report


@pytest.fixture
def nuclei_data() -> Path:
    """The folder of real images; mark the test ``real`` so that it is skipped where there is none."""
    if real_images_problem():
        pytest.skip(real_images_problem())
    return Path(os.environ["NUCLEI_DATA"])


@pytest.fixture(autouse=True)
def own_folders(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Give every test empty folders for models, corrections and settings instead of the user's."""
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_MODELS", str(tmp_path / "user-models"))
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CORRECTIONS", str(tmp_path / "user-corrections"))
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_TEMPLATES", str(tmp_path / "user-templates"))
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CLASSES", str(tmp_path / "user-classes.json"))
    # One for all tests of a process, since each program that a test starts would else time the number formats anew.
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CACHE", str(tmp_path_factory.getbasetemp() / "user-cache"))
    if request.node.get_closest_marker("gui"):
        import napari.settings

        request.getfixturevalue("plugins_read_once")
        # As napari's own fixture plugin_settings does, which would hide the installed plugins as well.
        monkeypatch.setattr(napari.settings, "_CFG_PATH", str(tmp_path / "napari-settings" / "settings.yaml"))
        monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})


@pytest.fixture(scope="session")
def plugins_read_once() -> Iterator[None]:
    """Read the manifests of all installed plugins once, and make the classes of their settings once.

    napari has manifests read twice for each of its windows, and makes classes anew for each test's empty settings.
    """
    import napari.settings
    from npe2 import PluginManifest

    found = list(PluginManifest.discover())
    kinds = cache(napari.settings.plugin_configuration_generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda paths=(): iter(found))
        patch.setattr(napari.settings, "plugin_configuration_generator", kinds)
        yield


@pytest.fixture
def recording() -> Callable[..., RecordingProgress]:
    """The class itself, so that a test names the report at which to cancel: ``recording(cancel_after=3)``."""
    return RecordingProgress


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let PyTorch have two threads, as on a computer of two cores: a folder is then done two images at a time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
