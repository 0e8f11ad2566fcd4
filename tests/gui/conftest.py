"""What window tests share: a model file whose network does little, results whose nuclei are known, a full disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_plane
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult

THRESHOLDS = DecodeThresholds(0.5, 0.5, 10)


@pytest.fixture(scope="session")
def tiny_model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with about the smallest network there is; its weights make it a threshold of the intensity."""
    import torch

    from napari_unet_nuclei.core.model.architecture import Architecture
    from napari_unet_nuclei.core.model.card import ModelCard
    from napari_unet_nuclei.core.model.file import Model, save_model
    from napari_unet_nuclei.core.model.unet import UNet

    architecture = Architecture(base_width=2, depth=1, stem="full", normalisation="none")
    network = UNet(architecture).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
            if parameter.ndim == 4 and parameter is not network.heads.weight:
                parameter[0, 0, parameter.shape[2] // 2, parameter.shape[3] // 2] = 1  # hand the intensity on
        gains, offsets = {"foreground": 20.0, "distance": 20.0}, {"foreground": -6.0, "distance": -9.0, "border": -4.0}
        for number, head in enumerate(architecture.heads):
            network.heads.weight[number, 0, *(side // 2 for side in network.heads.kernel_size)] = gains.get(head, 0.0)
            network.heads.bias[number] = offsets.get(head, 0.0)
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_model(path, Model(ModelCard(name="tiny", architecture=architecture), network))
    return path


@pytest.fixture
def tiny_model(tiny_model_file: Path, tmp_path: Path) -> str:
    """Name of the tiny model, installed in this test's folder of models."""
    folder = tmp_path / "user-models"
    folder.mkdir(exist_ok=True)
    shutil.copy(tiny_model_file, folder)
    return "tiny"


@pytest.fixture
def squares() -> tuple[SegmentRequest, SegmentResult]:
    """A result with three square nuclei of 36, 64 and 100 px²; foreground 0.9, 0.7 and 0.9."""
    maps = np.zeros((1, 3, 40, 60), np.uint8)
    for x, side, foreground in ((5, 6, 230), (20, 8, 178), (40, 10, 230)):
        maps[0, 0, 10 : 10 + side, x : x + side] = foreground
        maps[0, 2, 12 : 8 + side, x + 2 : x + side - 2] = 240
    image = maps[0, 0].astype(np.float32)
    found = decode_plane(maps[0], THRESHOLDS)
    provenance = {
        "model": "tiny",
        "device": "cpu",
        "channel": "the only channel",
        "kind": "fluorescence",
        "diameter": 9.0,
        "settings": {},
    }
    result = SegmentResult(
        found.labels,
        found.scores,
        "YX",
        (0, 0),
        maps,
        thresholds=THRESHOLDS,
        model_thresholds=THRESHOLDS,
        provenance=provenance,
    )
    return SegmentRequest(ImageSource(image, "YX"), pixel_size=PixelSize(0.5, 0.5)), result


@pytest.fixture
def modest_viewer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A viewer without a window, which opens at once, in the proxy by which napari keeps plugins off what is private.

    For tests of a dock that look at nothing outside it.
    """
    from napari.components import ViewerModel
    from napari.utils._proxies import PublicOnlyProxy
    from npe2 import PluginManager

    PluginManager.instance().discover()  # as a window does: napari's own readers are plugins too
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "True")
    return PublicOnlyProxy(ViewerModel())


@pytest.fixture
def open_bench(make_napari_viewer_proxy, qtbot) -> Callable[..., Any]:
    """Open a window on a segmented image, or a stack, with the dock *Correct nuclei*; gives a `Bench`."""
    from napari_unet_nuclei.gui.correct.dock import CorrectDock
    from tests.helpers.correcting import Bench, segmented

    def open_it(planes: int = 0, **place: Any) -> Bench:
        viewer = make_napari_viewer_proxy(show=True)
        image, labels, metadata = segmented(planes)
        viewer.add_image(image, name="DAPI", **place)
        viewer.add_labels(labels, name="DAPI labels", metadata=metadata, **place)
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock, name="Correct nuclei", area="right")
        bench = Bench(viewer, dock, qtbot)
        bench.settle()
        bench.activate()
        return bench

    return open_it


@pytest.fixture
def volume_bench(make_napari_viewer_proxy, qtbot) -> Callable[[], Any]:
    """Open a window on a segmented volume, with the dock *Correct nuclei*; gives a `Bench`."""
    from napari_unet_nuclei.gui.correct.dock import CorrectDock
    from tests.helpers.correcting import Bench, balls

    def open_it() -> Bench:
        viewer = make_napari_viewer_proxy(show=True)
        image, labels, metadata = balls()
        viewer.add_image(image, name="DAPI", scale=(4, 1, 1))
        viewer.add_labels(labels, name="DAPI labels", metadata=metadata, scale=(4, 1, 1))
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock, name="Correct nuclei", area="right")
        bench = Bench(viewer, dock, qtbot)
        bench.settle()
        bench.activate()
        return bench

    return open_it


@pytest.fixture
def modest_bench(qtbot) -> Callable[..., Any]:
    """Show the dock *Correct nuclei* alone, beside a viewer without a window, which opens faster; gives a `Bench`."""
    from napari_unet_nuclei.gui.correct.dock import CorrectDock
    from tests.helpers.correcting import Bench

    def open_it(viewer: Any) -> Bench:
        dock = CorrectDock(viewer)
        qtbot.addWidget(dock)
        dock.show()
        bench = Bench(viewer, dock, qtbot)
        bench.settle()
        return bench

    return open_it


@pytest.fixture
def full_disk(monkeypatch) -> list[str]:
    """Let the disk be full for every file whose path has one of these texts in it."""
    full: list[str] = []
    replace_file = os.replace

    def refuse(source: Path, target: Path) -> None:
        if any(text in str(target) for text in full):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    return full
