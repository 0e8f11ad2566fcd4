"""Work that writes in another way than it should is found out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("campaigns run on Linux alone", allow_module_level=True)

from endurance.children import BARE, DONE, IN_WORDS, Child
from endurance.tally import Tally, joined
from endurance.undisturbed import Undisturbed, copied, go_on
from endurance.works import Work
from napari_unet_nuclei.core.errors import OutputFileError


def prepare(folder: Path) -> None:
    (folder / "table.csv").write_text("a,b\n1,2\n")


def write_twice(folder: Path) -> None:
    (folder / "table.csv").write_text("a,b\n3,4\n")
    (folder / "other.csv").write_text("c\n5\n")


WORK = Work("two tables", 1, prepare, write_twice, (".csv",))


def test_what_is_done_in_one_piece_is_as_without_a_kill(tmp_path):
    undisturbed = Undisturbed.of(WORK, tmp_path)
    folder = copied(undisturbed.former, tmp_path / "killed")
    assert Child(lambda: WORK.do(folder), folder, dies_at=2).end().killed
    undisturbed.check_between(folder)
    go_on(WORK, folder)
    undisturbed.check_after(folder)


@pytest.mark.parametrize(
    ("name", "content"), [("table.csv", "a,b\n3,9\n"), ("table.csv", "a,b\n3"), ("left.csv", "a\n")]
)
def test_other_content_half_a_file_and_leftovers_are_found(tmp_path, name, content):
    undisturbed = Undisturbed.of(WORK, tmp_path)
    folder = copied(undisturbed.whole, tmp_path / "killed")
    (folder / name).write_text(content)
    with pytest.raises(AssertionError):
        undisturbed.check_after(folder)
    if name == "table.csv":
        with pytest.raises(AssertionError):
            undisturbed.check_between(folder)


def test_a_child_says_how_it_ended(tmp_path):
    def refuse() -> None:
        raise OutputFileError("the disk is full")

    assert Child(lambda: (tmp_path / "a").touch(), tmp_path).end().code == DONE
    assert Child(refuse, tmp_path).end().told == "OutputFileError: the disk is full"
    assert Child(refuse, tmp_path).end().code == IN_WORDS
    assert Child(lambda: 1 / 0, tmp_path).end().code == BARE


def test_a_tally_counts_its_parts_and_names_what_was_violated(capsys):
    part = Tally("files")
    part.count("read")
    part.violate("IndexError at a.py:3", "17")
    total = joined("All", [part, part])
    assert total.counts == {"read": 2, "VIOLATED": 2}
    assert total.lines()[:3] == [
        "All: 2 VIOLATED, 2 read",
        "  files: 1 VIOLATED, 1 read",
        "    1 x IndexError at a.py:3 (17)",
    ]
