from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.corrections.history import Entry, History, PlaneEdit, Stroke
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Change, edit_of
from napari_unet_nuclei.core.labels.edit.single import clear_border, delete
from tests.helpers.drawn import discs

SHAPE = (2, 9, 11)


def random_box(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [int(rng.integers(0, length)) for length in shape]
    return tuple(slice(start, int(rng.integers(start + 1, n + 1))) for start, n in zip(starts, shape, strict=True))


def paint_box(labels: np.ndarray, rng: np.random.Generator) -> SimpleNamespace | None:
    """Paint as the brush does; return what it reports."""
    box, new = random_box(rng, labels.shape), int(rng.integers(0, 6))
    mask = (rng.random(labels[box].shape) < 0.6) & (labels[box] != new)
    if not mask.any():
        return None
    whole = bool(mask.all())
    old = labels[box].copy() if whole else labels[box][mask]
    labels[box][mask] = new
    return SimpleNamespace(slice_key=box, mask=None if whole else mask, old_values=old, new_value=new)


def set_points(labels: np.ndarray, rng: np.random.Generator) -> tuple:
    """Set single pixels; return what is reported."""
    indices = np.unravel_index(rng.choice(labels.size, rng.integers(1, 9), replace=False), labels.shape)
    new = rng.integers(0, 6, indices[0].shape) if rng.random() < 0.5 else int(rng.integers(0, 6))
    atom = (indices, labels[indices].copy(), new)
    labels[indices] = new
    return atom


def stroke(labels: np.ndarray, rng: np.random.Generator) -> Entry | None:
    atoms = [rng.choice([paint_box, set_points])(labels, rng) for _ in range(rng.integers(1, 4))]
    taken = Stroke.of_paint([atom for atom in atoms if atom is not None], labels.shape)
    return None if taken is None else Entry([taken], "Paint")


def plane_edits(labels: np.ndarray, rng: np.random.Generator) -> Entry | None:
    """Plan edits of up to three planes, each in the labels that the one before it leaves."""
    after = labels.copy()
    edits = []
    for _ in range(rng.integers(1, 4)):
        index = (int(rng.integers(0, labels.shape[0])),)
        changes = []
        free = np.ones(labels.shape[1:], bool)
        for _ in range(rng.integers(1, 3)):
            (rows, columns) = random_box(rng, labels.shape[1:])
            mask = (rng.random(labels.shape[1:]) < 0.5)[rows, columns] & free[rows, columns]
            free[rows, columns] &= ~mask
            changes.append(Change((rows.start, rows.stop, columns.start, columns.stop), mask, int(rng.integers(0, 6))))
        try:
            edits.append(PlaneEdit(index, edit_of(after[index], changes, "Edit")))
        except EditError:
            continue
        edits[-1].apply(after)
    return Entry(edits, "Edit") if edits else None


@given(st.integers(0, 2**31), st.lists(st.sampled_from(["stroke", "edit", "undo", "redo"]), max_size=30))
def test_any_sequence_of_strokes_edits_undo_and_redo_equals_full_copies(seed, steps):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, SHAPE, dtype=np.int32)
    history, copies, now = History(), [labels.copy()], 0
    for step in steps:
        before = labels.copy()
        touched = None
        if step == "undo":
            touched = history.undo(labels)
            now = max(now - 1, 0)
        elif step == "redo":
            touched = history.redo(labels)
            now = min(now + 1, len(copies) - 1)
        else:
            entry = stroke(labels, rng) if step == "stroke" else plane_edits(labels, rng)
            if entry is not None:
                touched = history.push(entry) if step == "stroke" else history.make(labels, entry)
                copies[now + 1 :] = [labels.copy()]
                now += 1
        assert np.array_equal(labels, copies[now])
        assert bool(history.undo_title) == (now > 0)
        assert bool(history.redo_title) == (now < len(copies) - 1)
        changed = labels != before
        if touched is not None:
            assert set(touched.ids) >= (set(before[changed].tolist()) | set(labels[changed].tolist())) - {0}
            changed[touched.box] = False
        assert not changed.any()


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(0, 6))
def test_undo_and_redo_of_the_viewer_itself_are_followed(seed, made, back):
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.int32)
    history, copies = History(), [labels.copy()]
    for _ in range(made):
        entry = stroke(labels, rng)
        # The same labels twice in a row would leave open how far was gone back.
        if entry is not None and not any(np.array_equal(labels, copy) for copy in copies):
            history.push(entry)
            copies.append(labels.copy())
        else:
            labels[:] = copies[-1]
    back = min(back, len(copies) - 1)
    labels[:] = copies[-1 - back]
    moved = history.follow(labels)
    assert -back <= moved <= 0
    labels[:] = copies[-1]
    history.follow(labels)
    for copy in copies[-2::-1]:
        history.undo(labels)
        assert np.array_equal(labels, copy)


def test_labels_changed_elsewhere_are_not_overwritten():
    labels = discs((40, 40), (20, 12, 6), (20, 30, 6))
    history = History()
    history.make(labels, Entry([PlaneEdit((), delete(labels, 1)), PlaneEdit((), delete(labels, 2))], "Delete both"))
    labels[20, 12] = 7
    kept = labels.copy()
    with pytest.raises(EditError, match="changed elsewhere"):
        history.undo(labels)
    assert np.array_equal(labels, kept)
    labels[20, 12] = 0
    assert history.undo(labels).ids == (1, 2)
    labels[20, 30] = 9
    kept = labels.copy()
    with pytest.raises(EditError, match="changed elsewhere"):
        history.redo(labels)
    assert np.array_equal(labels, kept)
    with pytest.raises(EditError, match="changed elsewhere"):
        history.redo(np.zeros((5, 40, 40), np.int32))


def test_a_history_of_a_slide_holds_a_few_pixels_of_it():
    labels = np.zeros((3000, 3000), np.int32)
    labels[:, 0] = np.arange(1, 3001) // 10 + 1
    labels[1000:1010, 1000:1010] = 5000
    edit = clear_border(labels)
    assert sum(patch.before.size + patch.after.size for patch in edit.patches) < 50_000
    old = labels[500:2500, 100:900].copy()
    labels[500:2500, 100:900] = 3
    atom = SimpleNamespace(slice_key=(slice(500, 2500), slice(100, 900)), mask=None, old_values=old, new_value=3)
    painted = Stroke.of_paint([atom], labels.shape)
    assert painted.starts.nbytes + painted.lengths.nbytes + painted.before.nbytes + painted.after.nbytes < 40_000
    history = History()
    history.push(Entry([painted], "Paint"))
    history.undo(labels)
    assert not (labels == 3).any() or np.array_equal(np.flatnonzero((labels == 3).any(axis=0)), [0])


def test_a_stroke_that_leaves_nothing_different_is_none():
    labels = np.zeros((5, 5), np.uint8)
    there = ((np.array([1]), np.array([1])), np.array([0], np.uint8), 4)
    back = ((np.array([1]), np.array([1])), np.array([4], np.uint8), 0)
    assert Stroke.of_paint([there, back], labels.shape) is None
    assert Stroke.of_paint([], labels.shape) is None
    assert Stroke.of_paint([there], labels.shape).before.dtype == np.uint8


def test_forgetting_leaves_nothing_to_undo():
    labels = discs((20, 20), (10, 10, 5))
    history = History()
    history.make(labels, Entry([PlaneEdit((), delete(labels, 1))], "Delete"))
    history.clear()
    assert history.undo(labels) is None
    assert history.redo(labels) is None
    assert not labels.any()
