"""What all formats of microscope makers have in common: missing packages and damaged files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_image


@pytest.mark.parametrize("suffix", ["nd2", "lif", "czi", "oib"])
def test_without_its_package_the_extra_to_install_is_named(tmp_path: Path, monkeypatch, suffix: str) -> None:
    for name in ("nd2", "liffile", "pylibCZIrw.czi", "oiffile"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / f"slide.{suffix}"
    path.write_bytes(b"something")
    with pytest.raises(ImageFileError, match=r'pip install "napari-unet-nuclei\[formats\]", or export .* OME-TIFF'):
        read_image(path)


@pytest.mark.parametrize(
    ("suffix", "package", "content"),
    [
        ("nd2", "nd2", b"no"),
        ("lif", "liffile", b"no"),
        ("xlef", "liffile", b"<?xml version='1.0'?><a/>"),
        ("czi", "pylibCZIrw.czi", b"ZISRAWFILE"),
        ("oib", "oiffile", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("oif", "oiffile", b"[a]"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, suffix: str, package: str, content: bytes) -> None:
    pytest.importorskip(package)
    path = tmp_path / f"slide.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=rf"slide\.{suffix} cannot be read"):
        read_image(path)
