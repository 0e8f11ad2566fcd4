from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from filelock import FileLock

from napari_unet_nuclei.core.corrections import correction as correction_module
from napari_unet_nuclei.core.corrections import store as corrections
from napari_unet_nuclei.core.corrections.correction import Correction, hash_image, region_to_keep
from napari_unet_nuclei.core.corrections.index import INDEX
from napari_unet_nuclei.core.corrections.store import (
    PENDING,
    corrections_folder,
    list_corrections,
    read_correction,
    remove_correction,
    save_correction,
)
from napari_unet_nuclei.core.errors import DatasetError, ImageShapeError, OutputFileError
from napari_unet_nuclei.core.files import lock
from tests.helpers.corrections import LABELS, REVIEWED, full_correction


def files(folder: Path) -> set[str]:
    """List all files but the lock, which stays."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {lock.LOCK}


def assert_same(one: Correction, other: Correction) -> None:
    assert (one.name, one.axes, one.accepted, one.pixel_size) == (
        other.name,
        other.axes,
        other.accepted,
        other.pixel_size,
    )
    assert (one.origin, one.channel, dict(one.provenance)) == (other.origin, other.channel, dict(other.provenance))
    for left, right in ((one.image, other.image), (one.labels, other.labels), (one.reviewed, other.reviewed)):
        assert np.array_equal(left, right)
    assert one.image.dtype == other.image.dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32])
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (40, 50)), ("CYX", (3, 40, 50)), ("CYX", (2, 40, 50)), ("YXS", (40, 50, 3))]
)
def test_what_was_saved_is_read_again(tmp_path, axes, shape, dtype):
    image = (np.random.default_rng(1).random(shape) * 250).astype(dtype)
    saved = full_correction(image=image, axes=axes, origin=(7, 9), channel=0 if axes == "CYX" else None)
    entry = save_correction(tmp_path, saved)
    assert_same(read_correction(tmp_path, "cells"), saved)
    assert list_corrections(tmp_path) == (entry,)
    assert entry.image_hash == hash_image(image)


def test_the_folder_is_read_without_this_program(tmp_path):
    save_correction(tmp_path, full_correction("a/b: ü"))
    index = json.loads((tmp_path / INDEX).read_text(encoding="utf-8"))
    [entry] = index["corrections"]
    assert (entry["name"], entry["accepted"], entry["pixel_size_um"]) == ("a/b: ü", [10], [0.5, 0.25])
    assert np.array_equal(tifffile.imread(tmp_path / entry["labels"]), LABELS)
    assert np.array_equal(tifffile.imread(tmp_path / entry["reviewed"]), np.where(REVIEWED, 255, 0))
    assert entry["image"].isascii()


def test_corrections_are_samples_for_fine_tuning(tmp_path):
    # Imported here, for they load PyTorch, which nothing else of corrections needs.
    from napari_unet_nuclei.core.finetune.folders import read_corrected
    from napari_unet_nuclei.core.progress import Silent
    from napari_unet_nuclei.core.train.reading import InputForm

    save_correction(tmp_path, full_correction("a"))
    save_correction(tmp_path, full_correction("b", image=full_correction().image + 1))
    folders = (tmp_path / kind for kind in ("images", "labels", "reviewed"))
    one, other = read_corrected(*folders, InputForm(), Silent())
    assert np.array_equal(one.reviewed, REVIEWED)
    assert np.array_equal(other.labels > 0, LABELS > 0)
    assert one.labels.max() == 2


def test_saving_the_same_again_writes_no_file_and_saving_anew_leaves_no_old_one(tmp_path):
    save_correction(tmp_path, full_correction())
    first = files(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")}
    save_correction(tmp_path, full_correction(accepted=(5, 10, 5)))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")} == written
    assert read_correction(tmp_path, "cells").accepted == (5, 10)
    save_correction(tmp_path, full_correction(labels=np.where(LABELS == 5, 0, LABELS)))
    assert len(files(tmp_path)) == len(first) == 4
    assert files(tmp_path) & first == {INDEX}
    assert set(np.unique(read_correction(tmp_path, "cells").labels)) == {0, 10}


def test_names_that_look_alike_on_disk_are_kept_apart(tmp_path):
    for name in ("a b", "a/b", "a:b", "..", "x" * 500):
        save_correction(tmp_path, full_correction(name))
    assert [entry.name for entry in list_corrections(tmp_path)] == sorted(["a b", "a/b", "a:b", "..", "x" * 500])
    remove_correction(tmp_path, "a/b")
    assert len(files(tmp_path)) == 1 + 4 * 3
    with pytest.raises(DatasetError, match="no correction 'a/b'"):
        read_correction(tmp_path, "a/b")


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path, monkeypatch):
    save_correction(tmp_path, full_correction())
    before = files(tmp_path)

    def full(*args, **keywords):
        raise OSError(28, "No space left on device")

    changed = full_correction(labels=np.where(LABELS == 5, 0, LABELS))
    for module, name in ((tifffile, "imwrite"), (corrections, "write_index")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises((OutputFileError, OSError)):
                save_correction(tmp_path, changed)
        assert_same(read_correction(tmp_path, "cells"), full_correction())
        assert before <= files(tmp_path)
    save_correction(tmp_path, changed)
    assert set(np.unique(read_correction(tmp_path, "cells").labels)) == {0, 10}


KILLED = """
import os, sys
from pathlib import Path
from tests.helpers.corrections import full_correction
from napari_unet_nuclei.core.corrections import store as corrections
from napari_unet_nuclei.core.files import lock
corrections.write_index = lambda *_: os._exit(9)
corrections.save_correction(Path(sys.argv[1]), full_correction("killed"))
"""


def test_a_kill_while_saving_costs_nothing_and_its_remains_go(tmp_path):
    save_correction(tmp_path, full_correction())
    whole = files(tmp_path)
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[3], check=False)
    assert run.returncode == 9
    assert_same(read_correction(tmp_path, "cells"), full_correction())
    half_written = [tmp_path / "images" / ".a-01234567.part.tif", tmp_path / ".index-01234567.part.json"]
    for path in half_written:
        path.write_bytes(b"II")
    save_correction(tmp_path, full_correction("other"))
    assert len(files(tmp_path)) == len(whole) + 3
    assert [entry.name for entry in list_corrections(tmp_path)] == ["cells", "other"]


def test_files_of_an_index_that_was_moved_away_are_never_deleted(tmp_path):
    save_correction(tmp_path, full_correction("long ago"))
    before = files(tmp_path)
    for name in before:
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    (tmp_path / INDEX).rename(tmp_path / "damaged.json")
    save_correction(tmp_path, full_correction("now"))
    save_correction(tmp_path, full_correction("now", labels=LABELS * 2))
    assert before - {INDEX} < files(tmp_path)
    assert len(files(tmp_path)) == len(before) + 4


def test_a_foreign_note_deletes_nothing_outside_its_folder(tmp_path):
    save_correction(tmp_path / "store", full_correction())
    mine = tmp_path / "mine.tif"
    mine.touch()
    for file in ("../mine.tif", "images/../../mine.tif", str(mine)):
        (tmp_path / "store" / PENDING).write_text(json.dumps({"files": [file]}), encoding="utf-8")
        save_correction(tmp_path / "store", full_correction("other"))
        assert mine.exists()


def test_an_index_that_cannot_be_read_is_left_as_it_is(tmp_path):
    for text in ("{", "[]", '{"version": 2, "corrections": []}', '{"version": 1, "corrections": [{"name": "a"}]}'):
        (tmp_path / INDEX).write_text(text, encoding="utf-8")
        with pytest.raises(DatasetError, match="cannot be used"):
            list_corrections(tmp_path)
        with pytest.raises(DatasetError, match="cannot be used"):
            save_correction(tmp_path, full_correction())
        assert (tmp_path / INDEX).read_text(encoding="utf-8") == text
    assert len(list(tmp_path.rglob("*.tif"))) == 3


@pytest.mark.parametrize(
    "file", ["../secret.tif", "images/../../secret.tif", "/etc/passwd", "images/.hidden.tif", "C:\\x.tif"]
)
def test_an_index_from_elsewhere_cannot_point_outside_its_folder(tmp_path, file):
    save_correction(tmp_path, full_correction())
    index = json.loads((tmp_path / INDEX).read_text(encoding="utf-8"))
    index["corrections"][0]["image"] = file
    (tmp_path / INDEX).write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(DatasetError, match="image"):
        read_correction(tmp_path, "cells")


def test_files_that_are_damaged_or_do_not_fit_are_named(tmp_path):
    entry = save_correction(tmp_path, full_correction())
    path = tmp_path / entry.labels
    tifffile.imwrite(path, np.zeros((9, 9), np.int32))
    with pytest.raises(DatasetError, match="do not belong together"):
        read_correction(tmp_path, "cells")
    path.write_bytes(b"II*\0 damaged")
    with pytest.raises(DatasetError, match=path.name):
        read_correction(tmp_path, "cells")
    path.unlink()
    with pytest.raises(DatasetError, match="does not exist"):
        read_correction(tmp_path, "cells")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": LABELS[1:]},
        {"reviewed": REVIEWED[:, 1:]},
        {"axes": "ZYX"},
        {"axes": "CYX"},
        {"image": np.zeros((40, 50, 2)), "axes": "YXS"},
        {"image": np.zeros((40, 50), complex)},
    ],
)
def test_what_does_not_fit_together_is_not_saved(tmp_path, changes):
    with pytest.raises(ImageShapeError, match="cells"):
        save_correction(tmp_path, full_correction(**changes))
    assert not files(tmp_path)


def test_of_a_slide_the_reviewed_part_is_kept_with_its_place(monkeypatch):
    region = np.zeros((40, 50), bool)
    region[10:20, 45:50] = True
    monkeypatch.setattr(correction_module, "LARGEST_WHOLE", 1000)
    monkeypatch.setattr(correction_module, "CONTEXT", 4)
    whole = full_correction(reviewed=region, origin=(100, 200))
    cut = whole.cropped(region_to_keep((40, 50), region))
    assert cut.image.shape == cut.labels.shape == (18, 9)
    assert cut.origin == (106, 241)
    assert np.array_equal(cut.labels, LABELS[6:24, 41:50])
    assert region_to_keep((40, 50), region, (0, 3, 0, 5)) == (0, 24, 0, 50), "what was edited is kept as well"
    assert region_to_keep((40, 50), np.zeros((40, 50), bool)) == (0, 40, 0, 50)
    assert region_to_keep((40, 20), region[:, 30:]) == (0, 40, 0, 20), "small planes are kept whole"


def test_the_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_CORRECTIONS", str(tmp_path / "mine"))
    assert corrections_folder() == tmp_path / "mine"
    assert list_corrections(corrections_folder()) == ()
    monkeypatch.delenv("NAPARI_UNET_NUCLEI_CORRECTIONS")
    assert corrections_folder().name == "corrections"


def test_two_programs_that_save_at_once_lose_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from napari_unet_nuclei.core.corrections.store import save_correction\n"
        "from tests.helpers.corrections import full_correction\n"
        "for number in range(12):\n"
        "    save_correction(Path(sys.argv[1]), full_correction(f'{sys.argv[2]} {number}'))\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("one", "two")]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert len(list_corrections(tmp_path)) == 24
    assert all(read_correction(tmp_path, f"{name} 11").labels.any() for name in ("one", "two"))


def test_a_folder_that_another_program_does_not_let_go_of_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    save_correction(tmp_path, full_correction())
    with FileLock(tmp_path / lock.LOCK), pytest.raises(OutputFileError, match="another window or program"):
        save_correction(tmp_path, full_correction("later"))
    save_correction(tmp_path, full_correction("later"))
    assert [entry.name for entry in list_corrections(tmp_path)] == ["cells", "later"]
