"""Counts that are far off are worth a look."""

from __future__ import annotations

from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.run import mark_far_off_counts


def records(*counts: int, **more: object) -> list[FileRecord]:
    return [FileRecord(image=f"{number}.tif", nuclei=count, **more) for number, count in enumerate(counts)]


def test_an_image_with_far_fewer_or_more_nuclei_than_most_is_marked() -> None:
    marked = mark_far_off_counts(records(100, 110, 90, 120, 80, 3, 900))
    assert [record.urgency for record in marked] == [0, 0, 0, 0, 0, 1, 1]
    assert marked[5].warnings == ("3 nuclei, where most images of this run have about 100. Look at it.",)


def test_few_images_tell_nothing_and_other_warnings_stay() -> None:
    assert [record.urgency for record in mark_far_off_counts(records(100, 110, 1))] == [0, 0, 0]
    doubted = [*records(100, 110, 90, 120, 80, 95), FileRecord(image="x", nuclei=1, warnings=("0 nuclei.",))]
    assert mark_far_off_counts(doubted)[-1].warnings == ("0 nuclei.",)
    failed = [*records(100, 110, 90, 120, 80, 95), FileRecord(image="x", error="unreadable")]
    assert mark_far_off_counts(failed) == failed
