import os
import subprocess
import sys

import pytest

from napari_unet_nuclei.cli.lazy import SUBCOMMANDS
from tests.cli.program import run

HEAVY = {"numpy", "pandas", "skimage", "scipy", "torch", "tifffile", "pydantic", "napari", "qtpy"}


def loaded_by(*arguments: str) -> set[str]:
    """Modules that one run of the program loads."""
    code = (
        "import sys\nfrom napari_unet_nuclei.cli import app\n"
        f"try:\n    app({list(arguments)!r})\n"
        "finally:\n    print('LOADED', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(shown.rpartition("LOADED")[2].split())


def test_help_lists_every_subcommand():
    shown = run("--help")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in SUBCOMMANDS)


def test_help_loads_nothing_heavy():
    assert loaded_by("--help").isdisjoint(HEAVY)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_of_a_subcommand_loads_no_network_and_no_window(name):
    assert loaded_by(name, "--help").isdisjoint({"torch", "napari", "qtpy", "magicgui"})


def test_help_answers_at_once():
    def processor_seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "napari_unet_nuclei", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Time of the processor, and the best of some: a busy machine is no fault of the program's.
    assert min(processor_seconds() for _ in range(4)) < 0.8


@pytest.mark.parametrize(("name", "summary"), SUBCOMMANDS.items())
def test_the_summary_of_a_subcommand_is_the_first_line_of_its_help(name, summary):
    shown = " ".join(run(name, "--help").stdout.split())
    assert summary in shown


def test_without_arguments_it_shows_its_help():
    assert "segment" in run().output


def test_a_misspelt_subcommand_is_wrong_usage_and_gets_a_suggestion():
    shown = run("segmnt")
    assert shown.exit_code == 2
    assert "'segment'" in shown.output


def test_the_version_is_told():
    shown = run("--version")
    assert (shown.exit_code, shown.stdout.split()[0]) == (0, "napari-unet-nuclei")
