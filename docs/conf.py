"""Builds the documentation; the command line and the settings describe themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

from sphinx.application import Sphinx

from napari_unet_nuclei import FinetuneSettings, SegmentSettings, __version__

project = "napari-unet-nuclei"
author = "The napari-unet-nuclei developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_member_order = "bysource"
napoleon_google_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_show_sourcelink = False


def program_help() -> str:
    """Return the reference of the command line as Markdown."""
    command = [sys.executable, "-m", "typer", "napari_unet_nuclei.cli", "utils", "docs", "--name", "napari-unet-nuclei"]
    described = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    # The page has a title of its own, and its headings list the commands with their whole summaries.
    return re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n", "", described.partition("\n")[2])


def settings_table(kind: type[SegmentSettings | FinetuneSettings]) -> str:
    """Return settings as a Markdown table."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        extra = field.json_schema_extra
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        rows.append(f"| `{name}` | {field.default} {unit} | {field.description} |")
    return "\n".join(rows)


GENERATED = {
    "<!-- program help -->": program_help,
    "<!-- settings table -->": partial(settings_table, SegmentSettings),
    "<!-- fine-tuning settings table -->": partial(settings_table, FinetuneSettings),
}


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what the program says of itself in the place of its markers."""
    for marker, generate in GENERATED.items():
        if marker in source[0]:
            source[0] = source[0].replace(marker, generate())


def setup(app: Sphinx) -> None:
    """Connect the generated parts."""
    app.connect("source-read", fill_in)
