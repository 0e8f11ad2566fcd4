"""Print what CHANGELOG.md says of one version, for its release on GitHub: ``release_notes.py v0.2.0``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def release_notes(changelog: str, version: str) -> str:
    """Return the section of a version, without its heading.

    Raises
    ------
    SystemExit
        If the changelog has no section for this version, or an empty one: a release must say what changed.
    """
    section = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE)
    notes = section[1].strip() if section else ""
    if not notes:
        raise SystemExit(f"CHANGELOG.md says nothing of {version}: name its section '## [{version}] - YYYY-MM-DD'.")
    return notes


if __name__ == "__main__":
    sys.stdout.write(release_notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1].removeprefix("v")) + "\n")
