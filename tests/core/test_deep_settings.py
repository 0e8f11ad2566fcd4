"""A settings file of lists in lists, deeper than Python goes, is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei import SegmentSettings, SettingsError, read_settings


def test_settings_nested_too_deeply_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be read as JSON"):
        read_settings(tmp_path / "s.json", SegmentSettings)
