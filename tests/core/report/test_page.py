from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import LARGEST_SIDE, curves, picture


class Reader(HTMLParser):
    """Collects the tags and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def read(path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_a_page_shows_texts_tables_and_figures_and_loads_nothing(tmp_path):
    pixels = np.zeros((8, 9, 3), np.uint8)
    figures = [
        [Figure(picture(pixels, "dark"), "nothing to see"), Figure(curves({"a": [1, 2]}, [0, 1], "x", "y"), "up")]
    ]
    section = Section("Part", "Some text.", {"fact": "value"}, Grid(["head"], [["cell"]]), figures)
    write_page(tmp_path / "page.html", "Title", [section])
    page = read(tmp_path / "page.html")
    assert {"img", "svg", "table", "dl"} <= set(page.tags)
    assert {"Title", "Part", "Some text.", "fact", "value", "head", "cell", "nothing to see", "up"} <= set(page.texts)
    links = [value or "" for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)


def test_names_from_files_cannot_bring_code_into_a_page(tmp_path):
    hostile = "<script>alert(1)</script>"
    alt = '"><script>alert(2)</script>'
    figure = Figure(picture(np.zeros((2, 2, 3), np.uint8), alt), hostile)
    section = Section(hostile, hostile, {hostile: hostile}, Grid([hostile], [[hostile]]), [[figure]])
    write_page(tmp_path / "page.html", hostile, [section])
    assert "script" not in read(tmp_path / "page.html").tags


def test_names_cannot_bring_code_into_a_diagram():
    assert "<script" not in curves({"<script>": [1.0], "b": [2.0]}, [0], "<script>", "y")


def test_large_pictures_are_thinned_out():
    small, large = (len(picture(np.zeros((side, side, 3), np.uint8), "")) for side in (LARGEST_SIDE, 8 * LARGEST_SIDE))
    assert large <= small


def test_the_same_curves_give_the_same_drawing():
    first, second = (curves({"loss": [3, 2, 1]}, [1, 2, 3], "epoch", "loss") for _ in range(2))
    assert re.sub(r"\s", "", first) == re.sub(r"\s", "", second)


def test_a_page_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFileError):
        write_page(tmp_path / "file" / "page.html", "Title", [])
