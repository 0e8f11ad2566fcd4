"""Packages with anything changed in them are read, or refused in words: never anything else."""

from __future__ import annotations

import contextlib
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.model.packages.read import read_package
from napari_unet_nuclei.core.progress import Silent
from tests.helpers.packages import described, older_described, write_package

MEMBERS = ("rdf.yaml", "network.onnx", "input.npy", "output.npy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder / "new.zip", described())
    write_package(folder / "old.zip", older_described())
    return folder


def spoiled(content: bytes, drawn: random.Random) -> bytes:
    """Cut a file short, or change some of its bytes."""
    if drawn.random() < 0.2:
        return content[: drawn.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(drawn.randint(1, 5)):
        changed[drawn.randrange(len(changed))] = drawn.randrange(256)
    return bytes(changed)


@given(name=st.sampled_from(["new", "old"]), member=st.sampled_from(["", *MEMBERS]), seed=st.integers(0, 2**32))
def test_a_spoiled_package_is_refused_in_words(folder, name, member, seed):
    drawn = random.Random(seed)
    path = folder / "spoiled.zip"
    if not member:
        path.write_bytes(spoiled((folder / f"{name}.zip").read_bytes(), drawn))
    else:
        with zipfile.ZipFile(folder / f"{name}.zip") as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
        # As one would who means harm: without the hash that tells.
        files["rdf.yaml"] = files["rdf.yaml"].replace(b'"sha256"', b'"comment"')
        files[member] = spoiled(files[member], drawn)
        with zipfile.ZipFile(path, "w") as archive:
            for one, content in files.items():
                archive.writestr(one, content)
    with contextlib.suppress(NucleiError):
        read_package(path, Silent())
