"""What a release is made of: its notes, and floors that a package index knows."""

from __future__ import annotations

import fnmatch
import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
release_notes = runpy.run_path(str(ROOT / ".github" / "release_notes.py"))["release_notes"]

CHANGELOG = """# Changelog

## [Unreleased]

- to come

## [0.2.0] - 2026-12-01

### Added

- a thing

## [0.2.0rc1] - 2026-11-30

- nearly

## [0.1.0] - 2026-01-01
"""


def test_a_release_has_the_notes_of_its_own_version():
    assert release_notes(CHANGELOG, "0.2.0") == "### Added\n\n- a thing"
    assert release_notes(CHANGELOG, "0.2.0rc1") == "- nearly"


@pytest.mark.parametrize("version", ["0.1.0", "0.3.0", "0x2.0", "0.2"])
def test_a_version_of_which_nothing_is_said_is_not_released(version):
    with pytest.raises(SystemExit, match=f"nothing of {version}"):
        release_notes(CHANGELOG, version)


def test_the_changelog_has_a_section_to_release():
    notes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("## [Unreleased]", "## [9.9.9] - today")
    assert "### Added" in release_notes(notes, "9.9.9")


def test_every_requirement_of_a_user_has_a_floor_and_no_cap():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["all"], *extras["napari"], *extras["formats"], *extras["distributed"]]
    bare = [text for text in declared if not re.fullmatch(r"[\w-]+(\[\w+\])?>=\d+(\.\d+)*(; .*)?", text)]
    assert bare == ["napari-unet-nuclei[formats,napari]"]


def test_what_may_stand_unused_is_still_there():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
    names, folders = settings["ignore_names"], settings["paths"]
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    words = set(re.findall(r"\w+", source))
    assert [name for name in names if not fnmatch.filter(words, name)] == []
