"""Collect the licences and credits of training images for the model card."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.author_notes import AuthorNotes
from napari_unet_nuclei.core.model.card import Credit, DataSource, ModelCard
from napari_unet_nuclei.core.train.division import Divided
from napari_unet_nuclei.core.train.layouts import Entry


def check_credits(divided: Sequence[Divided], about: AuthorNotes) -> None:
    """Raise `SettingsError` if a credit names an unknown data set or contradicts an index."""
    names = [one.dataset.name for one in divided]
    for credit in about.credits:
        if credit.name not in names:
            raise SettingsError(f"The credits name a data set '{credit.name}'. There is only {', '.join(names)}.")
    for one in divided:
        for entry in (*one.training, *one.validation):
            data_source(entry, about)


def data_sources(
    divided: Sequence[Divided], nuclei: Sequence[int], about: AuthorNotes, base: ModelCard | None = None
) -> tuple[DataSource, ...]:
    """List the data sets of a training with their licences and credits.

    One for each data set and source (those used for validation only have no images), then the sources of ``base``,
    which provided the initial weights, that are not among them. ``nuclei`` counts those of each training image, in the
    order of `dataset.read_divided`; ``about`` completes the columns ``dataset`` and ``licence`` of an index.
    """
    sources: dict[Credit, list[int]] = {}
    counts = iter(nuclei)
    for one in divided:
        for entry in one.training:
            found = sources.setdefault(data_source(entry, about), [0, 0])
            found[0] += 1
            found[1] += next(counts)
        for entry in one.validation:
            sources.setdefault(data_source(entry, about), [0, 0])
    own = tuple(
        DataSource(**credit.model_dump(), images=found[0], nuclei=found[1]) for credit, found in sources.items()
    )
    return with_inherited(own, base) if base else own


def with_inherited(own: Sequence[DataSource], base: ModelCard) -> tuple[DataSource, ...]:
    """Append the data sets behind the initial weights, without those already credited.

    Two sets count as the same only if they state a licence or a credit: a bare name such as "corrections" says too
    little to tell two of them apart.
    """
    known = {(source.name, source.licence, source.credit) for source in own if source.licence or source.credit}
    return (*own, *(one for one in base.sources if (one.name, one.licence, one.credit) not in known))


def data_source(entry: Entry, about: AuthorNotes) -> Credit:
    """Return the licence and credit of an image; raise `SettingsError` if index and ``about`` contradict each other."""
    said = next((credit for credit in about.credits if credit.name == entry.dataset), Credit(name=entry.dataset))
    if entry.licence and said.licence and entry.licence != said.licence:
        raise SettingsError(
            f"The index of '{entry.dataset}' gives '{entry.name}' the licence {entry.licence}, but the credits say "
            f"{said.licence}. Correct one of them."
        )
    licence = entry.licence or said.licence or about.data_licence
    credit = "; ".join(dict.fromkeys(text for text in (entry.source, said.credit) if text))
    return Credit(name=entry.dataset, licence=licence, credit=credit)
