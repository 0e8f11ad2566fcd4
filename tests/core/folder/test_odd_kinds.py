from __future__ import annotations

import pytest

from napari_unet_nuclei.core.folder.odd_kinds import mark_odd_kinds
from napari_unet_nuclei.core.folder.record import FileRecord


def records(*kinds: str) -> list[FileRecord]:
    return [FileRecord(f"{number}.tif", kind=kind, nuclei=5) for number, kind in enumerate(kinds)]


def test_an_image_of_another_kind_than_nearly_all_is_marked_with_what_to_try():
    marked = mark_odd_kinds(records(*["fluorescence"] * 3, "brightfield", ""))
    assert [record.urgency for record in marked] == [0, 0, 0, 1, 0]
    assert marked[3].warning == (
        "Read as dark nuclei on bright, unlike most images of this run. Try bright nuclei on dark: --kind fluorescence."
    )


@pytest.mark.parametrize(
    "kinds", [(), ("",), ("fluorescence", "fluorescence", "brightfield"), ("fluorescence", "brightfield") * 4]
)
def test_a_folder_of_both_kinds_is_no_mistake(kinds):
    given = records(*kinds)
    assert mark_odd_kinds(given) == given


def test_a_warning_that_there_is_already_is_enough():
    odd = FileRecord("odd.tif", kind="brightfield", warnings=("0 nuclei.",))
    assert mark_odd_kinds([*records(*["fluorescence"] * 9), odd])[-1] == odd


def test_failures_come_before_doubts():
    assert FileRecord("a.tif", error="no image").urgency > FileRecord("b.tif", warnings=("0 nuclei.",)).urgency > 0
