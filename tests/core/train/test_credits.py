from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.author_notes import AuthorNotes
from napari_unet_nuclei.core.model.card import Credit, DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.train.credits import check_credits, data_sources, with_inherited
from napari_unet_nuclei.core.train.division import DataSet, Divided
from napari_unet_nuclei.core.train.layouts import Entry

ABOUT = AuthorNotes(data_licence="ours", credits=(Credit(name="indexed", credit="Who 2024"),))


def entry(dataset: str, source: str = "", licence: str = "") -> Entry:
    return Entry("a", Path("a.png"), (), False, "g", dataset=dataset, source=source, licence=licence)


INDEXED = Divided(
    DataSet(Path("indexed"), name="indexed"),
    (entry("indexed", "Set A", "CC0"), entry("indexed", "Set B", "CC BY 4.0"), entry("indexed", "Set A", "CC0")),
    (entry("indexed", "Set C", "CC0"),),
    (),
)
PLAIN = Divided(DataSet(Path("plain"), name="plain"), (entry("plain"),), (entry("plain"),), ())


def test_every_source_of_every_set_is_credited_with_what_was_learnt_from_it():
    assert data_sources([INDEXED, PLAIN], [1, 2, 3, 4], ABOUT) == (
        DataSource(name="indexed", licence="CC0", credit="Set A; Who 2024", images=2, nuclei=4),
        DataSource(name="indexed", licence="CC BY 4.0", credit="Set B; Who 2024", images=1, nuclei=2),
        DataSource(name="indexed", licence="CC0", credit="Set C; Who 2024"),
        DataSource(name="plain", licence="ours", images=1, nuclei=4),
    )


def test_credits_of_the_model_that_was_started_from_survive():
    old = DataSource(name="old", licence="CC BY 4.0", credit="Them 2020", images=7)
    older = DataSource(name="older", through="grandparent")
    known = DataSource(name="plain", licence="ours", images=9)
    vague = DataSource(name="corrections", images=3)
    base = ModelCard(name="parent", training=TrainingRecord(datasets=(old, older, known, vague)))
    own, *inherited = data_sources([PLAIN], [4], ABOUT, base)
    assert own.images == 1
    through = {"through": "parent"}
    assert inherited == [old.model_copy(update=through), older, vague.model_copy(update=through)]
    again = DataSource(name="corrections", images=5)
    assert [one.images for one in with_inherited([again], base) if one.name == "corrections"] == [5, 3]


def test_a_credit_for_no_set_is_refused():
    with pytest.raises(SettingsError, match=r"'indexed'\. There is only plain"):
        check_credits([PLAIN], ABOUT)


def test_two_licences_for_an_image_are_refused():
    said = AuthorNotes(credits=(Credit(name="indexed", licence="CC0"),))
    with pytest.raises(SettingsError, match=r"CC BY 4\.0, but the credits say CC0"):
        check_credits([INDEXED], said)
    check_credits([INDEXED], ABOUT)
