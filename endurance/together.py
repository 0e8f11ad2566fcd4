"""Several programs at the same moment in one folder of results, slide, registry of models and store of corrections."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from endurance.children import DONE, IN_WORDS, Child, Ended
from endurance.tally import Tally, joined
from endurance.undisturbed import Undisturbed, copied, keep_example
from endurance.works import WORKS, registry_of
from napari_unet_nuclei.core.corrections.store import list_corrections, read_correction, save_correction
from napari_unet_nuclei.core.model.file import read_model
from tests.helpers.corrections import drawn_correction
from tests.helpers.tiny import write_tiny_model

PROGRAMS = 3
"""That do something at the same moment."""

SAVES = 4
"""Corrections that each of them saves."""

AT_ONCE = {"folder": 15, "movie": 5, "slide": 10, "labels into a slide": 5}
"""How often work is done by two programs at once, by its name."""

Look = Callable[[Path, Sequence[Ended]], None]


def run(share: float, kept: Path) -> Tally:
    """Do at once what is usually done one after the other."""
    rounds = {name: max(round(number * share), 1) for name, number in {**AT_ONCE, "rest": 30}.items()}
    return joined(
        "Programs at the same moment",
        (
            *(_same_work(name, rounds[name], kept) for name in AT_ONCE),
            _rounds("corrections, one store", rounds["rest"], save_corrections, all_corrections, kept),
            _rounds("models, one name", rounds["rest"], import_under_one_name, one_model, kept),
            _rounds("models, names of their own", rounds["rest"], import_models, all_models, kept),
        ),
    )


def _same_work(name: str, rounds: int, kept: Path) -> Tally:
    """Let two programs do the same; one may say that the other is at work."""
    [work] = [work for work in WORKS if work.name == name]
    tally = Tally(f"{name}, two runs")
    with tempfile.TemporaryDirectory(prefix="endurance-") as sandbox_name:
        sandbox = Path(sandbox_name).resolve()
        undisturbed = Undisturbed.of(work, sandbox)
        for number in range(rounds):
            folder = copied(undisturbed.former, sandbox / "shared")
            ended = at_once([partial(work.do, folder)] * 2, folder)
            try:
                _check_ends(ended)
                undisturbed.check_after(folder)
                tally.count("both done" if all(one.code == DONE for one in ended) else "one refused in words")
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a violation
                tally.violate(f"{type(error).__name__}: {str(error)[:300]}", str(number))
                keep_example(folder, kept, f"{name}, two runs {number}")
    return tally


def _rounds(
    title: str, rounds: int, doings: Callable[[Path], list[Callable[[], object]]], look: Look, kept: Path
) -> Tally:
    """Do different things at once in a new folder each time, and look at what came of it."""
    tally = Tally(title)
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="endurance-") as name:
            folder = Path(name).resolve()
            ended = at_once(doings(folder), folder)
            try:
                _check_ends(ended)
                look(folder, ended)
                tally.count("right")
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a violation
                tally.violate(f"{type(error).__name__}: {str(error)[:300]}", str(number))
                keep_example(folder, kept, f"{title} {number}")
    return tally


def at_once(doings: Sequence[Callable[[], object]], folder: Path) -> list[Ended]:
    """Do things in children that begin together, and wait for them all."""
    children = [Child(do, folder) for do in doings]
    return [child.end() for child in children]


def _check_ends(ended: Sequence[Ended]) -> None:
    """Raise unless each was done, or refused in words; one at least was done."""
    for one in ended:
        if one.code not in (DONE, IN_WORDS):
            raise AssertionError(f"it ended with {one.code}: {one.told}")
    if all(one.code == IN_WORDS for one in ended):
        raise AssertionError(f"none was done: {ended[0].told}")


def save_corrections(folder: Path) -> list[Callable[[], object]]:
    """Save corrections by several programs, while another one reads what is there."""

    def saving(program: int) -> Callable[[], object]:
        made = [drawn_correction(f"{program} {number}", number) for number in range(SAVES)]
        return lambda: [save_correction(folder, one) for one in made]

    def read() -> None:
        for _ in range(20):
            list_corrections(folder)

    return [*(saving(program) for program in range(PROGRAMS)), read]


def all_corrections(folder: Path, ended: Sequence[Ended]) -> None:
    """Raise unless all corrections are there, as they were drawn."""
    assert all(one.code == DONE for one in ended), [one.told for one in ended]
    names = [entry.name for entry in list_corrections(folder)]
    assert names == [f"{program} {number}" for program in range(PROGRAMS) for number in range(SAVES)], names
    for name in names:
        found = read_correction(folder, name)
        assert np.array_equal(found.labels, drawn_correction(name, int(name.split()[1])).labels), name
    assert not list(folder.rglob(".*.part*")), "something is left half-written"


def _import(folder: Path, names: Sequence[str]) -> list[Callable[[], object]]:
    """Import a model of its own by each program."""
    for number in range(PROGRAMS):
        write_tiny_model(folder / f"{number}.safetensors", f"model {number}", seed=number)

    def importing(number: int) -> Callable[[], object]:
        return lambda: registry_of(folder).add(folder / f"{number}.safetensors", names[number])

    return [importing(number) for number in range(PROGRAMS)]


def import_under_one_name(folder: Path) -> list[Callable[[], object]]:
    """Import different models under the same name."""
    return _import(folder, ["wanted"] * PROGRAMS)


def import_models(folder: Path) -> list[Callable[[], object]]:
    """Import different models under names of their own."""
    return _import(folder, [f"wanted {number}" for number in range(PROGRAMS)])


def one_model(folder: Path, ended: Sequence[Ended]) -> None:
    """Raise unless one program alone was told that its model is installed, and that is so."""
    assert [one.code for one in ended].count(DONE) == 1, [one.told for one in ended]
    [entry] = registry_of(folder).list()
    winner = [one.code for one in ended].index(DONE)
    own = read_model(folder / f"{winner}.safetensors").card.weights_hash
    assert read_model(entry.path).card.weights_hash == own, "another model was installed than was said"


def all_models(folder: Path, ended: Sequence[Ended]) -> None:
    """Raise unless all models are installed."""
    assert all(one.code == DONE for one in ended), [one.told for one in ended]
    hashes = {read_model(entry.path).card.weights_hash for entry in registry_of(folder).list()}
    assert len(hashes) == PROGRAMS, hashes
