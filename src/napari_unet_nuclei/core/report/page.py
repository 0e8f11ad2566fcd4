"""Write self-contained HTML pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from napari_unet_nuclei.core.files.atomic import atomic


@dataclass(frozen=True)
class Figure:
    """A picture or a diagram with its caption."""

    content: Markup  # an `<img>` with the picture inside, or an `<svg>`; see `core.report.pictures`
    caption: str


@dataclass(frozen=True)
class Grid:
    """A table."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]  # one text per head in every row


@dataclass(frozen=True)
class Section:
    """A part of a page."""

    title: str
    text: str = ""  # a paragraph; empty for none
    facts: Mapping[str, str] = field(default_factory=dict)  # values by name
    table: Grid | None = None
    figures: Sequence[Sequence[Figure]] = ()  # rows of figures side by side
    gallery: Sequence[Figure] = ()  # small pictures, as many per row as fit
    numbers: Mapping[str, str] = field(default_factory=dict)  # the few most important numbers by name, in large print


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write an HTML page that needs no other file; all texts are escaped.

    Raise OutputFileError if the file cannot be written.
    """
    with atomic(path) as temporary:
        temporary.write_text(_template().render(title=title, sections=sections), "utf-8", "backslashreplace")


@cache
def _template() -> Template:
    loader = PackageLoader("napari_unet_nuclei.core.report", ".")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("page.html")
