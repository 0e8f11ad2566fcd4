from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.tracking.edit import TrackEditor
from napari_unet_nuclei.core.tracking.track import track
from tests.helpers.movies import discs


@pytest.fixture
def editor() -> TrackEditor:
    """Two nuclei, tracks 1 and 2, in five frames; track 3 begins beside the second in frame 3."""
    frames = [{1: (5, 20, 20), 2: (5, 60, 60)} for _ in range(5)]
    frames[3] = frames[4] = {**frames[3], 3: (5, 60, 78)}
    return TrackEditor(track(discs(frames), divisions=False).lineages)


def row(editor: TrackEditor, frame: int, place: int) -> int:
    """The row of the nucleus at a place from top to bottom."""
    return int(editor.lineages.spots.rows(frame)[place])


def tracks(editor: TrackEditor) -> list[list[int]]:
    return [editor.lineages.track[editor.lineages.spots.rows(time)].tolist() for time in range(5)]


def test_a_cut_begins_a_new_track_and_all_others_keep_their_ids(editor):
    editor.cut(row(editor, 1, 0))
    assert tracks(editor) == [[4, 2], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3]]  # the longer part keeps the id
    with pytest.raises(EditError, match="begins here already"):
        editor.cut(row(editor, 1, 0))


def test_a_link_goes_where_it_is_told_and_cuts_what_was_linked_before(editor):
    editor.link(row(editor, 3, 2), row(editor, 2, 1))  # in any order
    lineages = editor.lineages
    assert lineages.previous[row(editor, 3, 2)] == row(editor, 2, 1)
    assert lineages.previous[row(editor, 3, 1)] == -1
    with pytest.raises(EditError, match="linked already"):
        editor.link(row(editor, 2, 1), row(editor, 3, 2))
    with pytest.raises(EditError, match="same frame"):
        editor.link(row(editor, 2, 0), row(editor, 2, 1))


def test_tracks_are_joined_at_their_ends(editor):
    editor.cut(row(editor, 2, 0))
    parts = int(editor.lineages.track[row(editor, 0, 0)]), int(editor.lineages.track[row(editor, 4, 0)])
    assert parts[0] != parts[1]
    editor.join(row(editor, 4, 0), row(editor, 0, 0))
    assert len({*editor.lineages.track[[row(editor, time, 0) for time in range(5)]].tolist()}) == 1
    with pytest.raises(EditError, match="one track already"):
        editor.join(row(editor, 4, 0), row(editor, 0, 0))
    with pytest.raises(EditError, match="at the same time"):
        editor.join(row(editor, 4, 0), row(editor, 0, 1))


def test_a_division_gives_both_daughters_new_ids_and_a_mother(editor):
    editor.divide(row(editor, 2, 1), row(editor, 3, 2))
    lineages = editor.lineages
    born = lineages.track[[row(editor, 3, 1), row(editor, 3, 2)]]
    assert lineages.track[row(editor, 2, 1)] == 2
    assert set(born.tolist()) == {3, 4}
    assert lineages.parent[np.searchsorted(lineages.ids, born)].tolist() == [2, 2]
    with pytest.raises(EditError, match="already"):
        editor.divide(row(editor, 2, 1), row(editor, 3, 2))


def test_a_mother_without_a_first_daughter_is_refused(editor):
    editor.cut(row(editor, 3, 0))
    with pytest.raises(EditError, match="two daughters"):
        editor.divide(row(editor, 2, 0), row(editor, 3, 2))


def test_corrections_are_undone_and_redone_without_limit(editor):
    states = [tracks(editor)]
    for time in (1, 2, 3):
        editor.cut(row(editor, time, 0))
        states.append(tracks(editor))
    for state in states[-2::-1]:
        editor.undo()
        assert tracks(editor) == state
    assert not editor.can_undo
    editor.undo()  # does nothing
    editor.redo()
    editor.redo()
    assert tracks(editor) == states[2]
    editor.cut(row(editor, 1, 1))
    assert not editor.can_redo


def test_what_a_person_decided_is_noted_and_undone_with_the_rest(editor):
    editor.accept(4)
    editor.cut(row(editor, 1, 0))
    assert editor.decided == {4, row(editor, 1, 0)}
    editor.undo()
    assert editor.decided == {4}
    editor.undo()
    assert not editor.decided


def test_nuclei_that_were_left_out_come_back_only_if_they_are_linked():
    frames = [{1: (5, 20, 20)} for _ in range(4)]
    frames[1] = {**frames[1], 2: (5, 70, 70)}
    frames[3] = {**frames[3], 3: (5, 70, 30)}
    editor = TrackEditor(track(discs(frames), shortest_track=2).lineages)
    assert editor.lineages.track.tolist() == [1, 1, 0, 1, 1, 0]
    editor.cut(3)
    assert editor.lineages.track.tolist().count(0) == 2
    editor.divide(0, 2)
    assert editor.lineages.track.tolist().count(0) == 1
