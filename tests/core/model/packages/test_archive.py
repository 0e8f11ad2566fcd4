from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.packages.archive import open_archive


def archive(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return path


def refused(path: Path, said: str, name: str = "rdf.yaml", **options) -> None:
    with pytest.raises(ModelFileError, match=said), open_archive(path) as opened:
        opened.read(name, **options)


def test_a_member_is_read_whole(tmp_path):
    path = archive(tmp_path / "a.zip", ("rdf.yaml", b"type: model"), ("deep/er.npy", b"123"))
    with open_archive(path) as opened:
        assert opened.description() == b"type: model"
        assert opened.read("deep/er.npy") == b"123"


@pytest.mark.parametrize(
    "name", ["rdf.yaml", "my unet.rdf.yaml", "bioimageio.yaml", "unet.bioimageio.yaml", "model.yaml"]
)
def test_a_description_has_any_name_that_the_format_allows(name, tmp_path):
    others = ("zrdf.yaml", b"1"), ("rdf.yaml.txt", b"2"), ("amodel.yaml", b"3")
    with open_archive(archive(tmp_path / "a.zip", *others, (name, b"right"))) as opened:
        assert opened.description() == b"right"
    two = archive(tmp_path / "two.zip", ("a.bioimageio.yaml", b"wrong"), ("rdf.yaml", b"right"))
    with open_archive(two) as opened:
        assert opened.description() == b"right"


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/passwd", "C:\\up.txt", "a\\..\\b", "C:up"])
def test_no_member_lies_outside(tmp_path, name):
    refused(archive(tmp_path / "a.zip", ("rdf.yaml", b""), (name, b"x")), "outside of it")


def test_links_are_no_files(tmp_path):
    link = zipfile.ZipInfo("rdf.yaml")
    link.external_attr = 0o120777 << 16
    refused(archive(tmp_path / "a.zip", (link, b"/etc/passwd")), "holds a link")


def test_bombs_are_not_unpacked(tmp_path):
    many = [(f"{number}", b"") for number in range(1001)]
    refused(archive(tmp_path / "many.zip", *many), "more than a model needs")
    packed = archive(tmp_path / "large.zip", ("rdf.yaml", bytes(2**21)))
    refused(packed, "too large: 2,097,152 bytes", largest=2**20)
    # A member that is longer than it says in both of its headers.
    content = bytearray(packed.read_bytes())
    for place in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        struct.pack_into("<I", content, place, 10)
    packed.write_bytes(content)
    refused(packed, "damaged|as long as it says")
    with zipfile.ZipFile(tmp_path / "huge.zip", "w") as opened:
        for number in range(3):
            info = zipfile.ZipInfo(f"{number}")
            opened.writestr(info, b"")
            info.file_size = info.compress_size = 2**30
    refused(tmp_path / "huge.zip", "more than a model needs")


def test_odd_zip_files_are_refused_in_words(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(tmp_path / "twice.zip", ("rdf.yaml", b"a"), ("rdf.yaml", b"b"))
    refused(twice, "two files of one name")
    refused(archive(tmp_path / "lzma.zip", ("rdf.yaml", b"a"), compression=zipfile.ZIP_LZMA), "unusual way")
    locked = bytearray(archive(tmp_path / "locked.zip", ("rdf.yaml", b"a")).read_bytes())
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    refused(tmp_path / "locked.zip", "encrypted")
    (tmp_path / "text.zip").write_bytes(b"no zip file")
    refused(tmp_path / "text.zip", "no zip file")
    refused(tmp_path / "none.zip", "cannot be read")
    unnamed = bytearray(archive(tmp_path / "unnamed.zip", ("é.yaml", b"a")).read_bytes())
    unnamed[unnamed.find(b"PK\x01\x02") + 46] = 0xFF
    (tmp_path / "unnamed.zip").write_bytes(unnamed)
    refused(tmp_path / "unnamed.zip", "no zip file")
    os.mkfifo(tmp_path / "pipe.zip")
    refused(tmp_path / "pipe.zip", "a pipe or a device")


def test_what_is_missing_or_another_file_is_said(tmp_path):
    path = archive(tmp_path / "a.zip", ("other.txt", b"abc"))
    with pytest.raises(ModelFileError, match=r"no BioImage.IO package: it holds none of"), open_archive(path) as opened:
        opened.description()
    refused(path, "lacks 'network.onnx'", "network.onnx")
    refused(path, "its hash .* differs", "other.txt", sha256="0" * 64)
    content = path.read_bytes().replace(b"abc", b"abx") if b"abc" in path.read_bytes() else path.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:40] + b"\xff\xff" + content[42:])
    refused(tmp_path / "cut.zip", "damaged", "other.txt")
