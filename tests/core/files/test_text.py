"""Text, names and tables of other systems and of spreadsheets in other countries are read as they were meant."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import TextFileError
from napari_unet_nuclei.core.files import text
from napari_unet_nuclei.core.files.tables import as_number, read_table
from napari_unet_nuclei.core.files.text import on_disk, read_text

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_encoding_and_separator_are_the_same(tmp_path: Path, encoding, end, separator) -> None:
    lines = [["Image", " Größe "], ["Zürich, 1", "0,5"], [], ["b", ""]]
    quoted = [separator.join(f'"{cell}"' if "," in cell else cell for cell in line) for line in lines]
    (tmp_path / "t.csv").write_bytes(end.join(quoted).encode(encoding))
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("image", "grösse")
    assert table.rows == ({"image": "Zürich, 1", "grösse": "0,5"}, {"image": "b", "grösse": ""})


def test_the_separator_that_excel_names_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sep=|\r\nimage|split\r\na|train\r\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "t.csv").rows == ({"image": "a", "split": "train"},)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"image,image\na,b\n", "more than one column 'image'"),
        (b"image,um\na,0,5\n", "a row with 3 cells"),
        (b"\x81\x8d\x8f\x90\x9d", "is no text"),
    ],
)
def test_what_cannot_be_a_table_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TextFileError, match=rf"t\.csv.*{reason}"):
        read_table(tmp_path / "t.csv")


def test_a_file_too_large_for_a_list_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(text, "LARGEST_TEXT", 3)
    (tmp_path / "t.txt").write_text("four")
    with pytest.raises(TextFileError, match="too large"):
        read_text(tmp_path / "t.txt")
    with pytest.raises(TextFileError, match="cannot be read"):
        read_text(tmp_path / "none.txt")


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"")
    assert read_table(tmp_path / "t.csv").rows == ()


@pytest.mark.parametrize("said", ["", "a", "1,2,x"])
def test_what_is_no_number_is_no_number(said: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        as_number(said)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_path_is_found_however_its_letters_are_written(tmp_path: Path, form: str) -> None:
    stored = tmp_path / unicodedata.normalize(form, "Zürich")
    stored.mkdir()
    (stored / unicodedata.normalize(form, "é.tif")).touch()
    for typed in ("NFC", "NFD"):
        assert os.path.lexists(on_disk(tmp_path / unicodedata.normalize(typed, "Zürich/é.tif")))
    assert on_disk(tmp_path / "none") == tmp_path / "none"
