from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.corrections.correction import STACK
from napari_unet_nuclei.core.corrections.store import save_correction
from napari_unet_nuclei.core.errors import ImageShapeError, NoSamplesError
from napari_unet_nuclei.core.finetune.kept import as_kind
from napari_unet_nuclei.core.image.kind import NetworkInputs
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.gui.finetune.check import Asked, Checker, Found, Outlook
from napari_unet_nuclei.gui.finetune.rows import Row
from tests.helpers.corrections import nuclei_in_a_row
from tests.helpers.recording import RecordingProgress

FIRST, SECOND = Row(None, None, (1,)), Row(None, None, (2,))
"""Keys of rows; the check looks at no layer."""


@pytest.fixture
def check(tmp_path):
    checker = Checker()

    def find_out(drawn, ticked=(), form=None, reference: Path | None = None) -> Outlook:
        asked = Asked(drawn, frozenset(ticked), form or InputForm(), 0, tmp_path, reference)
        return checker.check(asked, Silent())

    return find_out


def test_nuclei_that_teach_and_that_judge_are_counted(check):
    outlook = check({FIRST: nuclei_in_a_row(0), SECOND: nuclei_in_a_row(1)}, [FIRST, SECOND])
    assert (outlook.training, outlook.judging, outlook.problem) == (8, 8, "")
    assert outlook.rows[FIRST].text == "8 nuclei"
    assert outlook.sentence.startswith("8 nuclei to learn from, 8 held out to judge with. With fewer than 10")
    # In planes of one stack they are the same nuclei.
    planes = [replace(nuclei_in_a_row(seed), provenance={STACK: "stack"}) for seed in (0, 1)]
    outlook = check(dict(zip((FIRST, SECOND), planes, strict=True)), [FIRST, SECOND])
    assert (outlook.training, outlook.judging) == (12, 4)


def test_what_is_not_ticked_does_not_count(check):
    outlook = check({FIRST: nuclei_in_a_row(0), SECOND: nuclei_in_a_row(1)}, [FIRST])
    assert (outlook.training, outlook.judging) == (6, 2)
    assert check({FIRST: nuclei_in_a_row(0)}).problem.startswith("Tick at least one")


def test_errors_stand_beside_their_rows_and_stop_only_what_is_ticked(check):
    drawn = {FIRST: nuclei_in_a_row(0), SECOND: ImageShapeError("They differ in size.")}
    assert check(drawn, [FIRST]).problem == ""
    outlook = check(drawn, [FIRST, SECOND])
    assert outlook.problem == outlook.rows[SECOND].problem == "They differ in size."
    assert outlook.rows[SECOND].text == "⚠ cannot be used"
    assert check({FIRST: NoSamplesError("Nothing is reviewed.")}).rows[FIRST].text == "not reviewed"


def test_an_image_that_the_model_cannot_read_is_told_before_the_run(check):
    outlook = check({FIRST: nuclei_in_a_row(0)}, [FIRST], InputForm(NetworkInputs((), 3)))
    assert outlook.problem == ""  # grey is repeated
    two = replace(nuclei_in_a_row(0), image=np.zeros((2, 14, 84), np.uint8), axes="CYX")
    assert "Choose the one that shows the nuclei" in check({FIRST: two}, [FIRST]).problem


def test_too_few_nuclei_are_told(check):
    assert "too few reviewed nuclei" in check({FIRST: nuclei_in_a_row(0, count=1)}, [FIRST]).problem


def test_kept_corrections_count_where_they_are_ticked(check, tmp_path):
    save_correction(tmp_path, nuclei_in_a_row(5, name="earlier"))
    outlook = check({FIRST: nuclei_in_a_row(0)}, [FIRST])
    assert [entry.name for entry in outlook.entries] == ["earlier"]
    assert "earlier" not in outlook.rows
    outlook = check({FIRST: nuclei_in_a_row(0)}, [FIRST, "earlier"])
    assert outlook.rows["earlier"].nuclei == 8
    assert outlook.training + outlook.judging == 16


def test_what_is_open_and_ticked_is_not_offered_from_the_disk_as_well(check, tmp_path):
    save_correction(tmp_path, nuclei_in_a_row(0, name="earlier"))
    assert check({FIRST: nuclei_in_a_row(0)}, [FIRST]).entries == ()
    assert len(check({FIRST: nuclei_in_a_row(0)}).entries) == 1


def test_the_same_image_does_not_teach_and_judge(check, tmp_path):
    for name in ("earlier", "later"):
        save_correction(tmp_path, nuclei_in_a_row(0, name=name))
    outlook = check({}, ["earlier", "later"])
    assert outlook.problem == outlook.rows["later"].problem
    assert "'later' is the same image as 'earlier'" in outlook.problem


def test_a_damaged_kept_correction_says_so(check, tmp_path):
    entry = save_correction(tmp_path, nuclei_in_a_row(0, name="earlier"))
    (tmp_path / entry.labels).write_bytes(b"no image")
    assert "'earlier'" in check({}, ["earlier"]).problem
    (tmp_path / "index.json").write_text("{")
    assert "list of corrections" in check({FIRST: nuclei_in_a_row(1)}, [FIRST]).problem


def test_reference_images_that_are_not_there_are_told(check, tmp_path):
    outlook = check({FIRST: nuclei_in_a_row(0)}, [FIRST], reference=tmp_path / "nowhere")
    assert "nowhere" in outlook.problem


def test_an_image_that_was_replaced_is_known_as_another_one(check, tmp_path):
    save_correction(tmp_path, nuclei_in_a_row(0, name="earlier"))
    layers = [nuclei_in_a_row(seed).image for seed in (0, 1)]
    for array, offered in zip(layers, (0, 1), strict=True):
        view = replace(nuclei_in_a_row(0), image=array[:])
        assert len(check({FIRST: view}, [FIRST]).entries) == offered


def test_an_overtaken_check_stops(tmp_path):
    asked = Asked({FIRST: nuclei_in_a_row(0)}, frozenset(), InputForm(), 0, tmp_path)
    with pytest.raises(Cancelled):
        Checker().check(asked, RecordingProgress(cancel_after=1))


def test_how_an_image_is_read_is_told_by_its_labels(check):
    drawn = nuclei_in_a_row(0)
    outlook = check({FIRST: drawn, SECOND: replace(nuclei_in_a_row(1), image=4000 - nuclei_in_a_row(1).image)})
    assert outlook.rows[FIRST].reading == "bright on dark"
    assert outlook.rows[SECOND].reading == "dark on bright"


def test_a_row_that_was_segmented_as_another_kind_says_so_until_a_kind_is_chosen(check):
    segmented = replace(nuclei_in_a_row(0), provenance={"kind": "brightfield"})
    found = check({FIRST: segmented}).rows[FIRST]
    assert found.reading == "⚠ bright on dark"
    assert "was segmented as dark nuclei on bright, but its labels say bright nuclei on dark" in found.sentence
    assert check({FIRST: as_kind(segmented, "fluorescence")}).rows[FIRST].doubt == ""
    assert "its labels say bright" in check({FIRST: as_kind(segmented, "brightfield")}).rows[FIRST].sentence


def test_labels_that_fit_no_reading_are_marked(check):
    drawn = nuclei_in_a_row(0)
    shifted = replace(drawn, labels=np.roll(drawn.labels, 5, axis=1))
    assert "may not belong together" in check({FIRST: shifted}).rows[FIRST].sentence


def test_only_what_was_reviewed_tells_how_an_image_is_read(check):
    drawn = nuclei_in_a_row(0)
    labels = np.where(np.arange(84) < 44, drawn.labels, np.roll(drawn.labels, 5, axis=1))
    assert "was" not in check({FIRST: drawn}).rows[FIRST].sentence
    reviewed = np.broadcast_to(np.arange(84) < 40, labels.shape).copy()
    assert check({FIRST: replace(drawn, labels=labels, reviewed=reviewed)}).rows[FIRST].doubt == ""


def test_the_kind_of_a_kept_correction_can_be_chosen(check, tmp_path):
    save_correction(tmp_path, replace(nuclei_in_a_row(5, name="earlier"), provenance={"kind": "brightfield"}))
    checker, form = Checker(), InputForm()
    asked = Asked({}, frozenset(["earlier"]), form, 0, tmp_path)
    assert "segmented as" in checker.check(asked, Silent()).rows["earlier"].doubt
    told = replace(asked, ticked=frozenset(), kinds={"earlier": "fluorescence"}, watched=frozenset(["earlier"]))
    assert checker.check(told, Silent()).rows["earlier"] == Found(8, kind="fluorescence")
