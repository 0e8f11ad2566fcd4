import logging
import os
import subprocess
import sys

import pytest

from napari_unet_nuclei.cli import SUBCOMMANDS, main
from tests.helpers.program import run

HEAVY = {"numpy", "pandas", "skimage", "scipy", "torch", "tifffile", "pydantic", "napari", "qtpy"}


def loaded_by(*runs: tuple[str, ...]) -> list[set[str]]:
    """Modules that are loaded after each of these runs of the program, one after the other in a fresh Python."""
    code = (
        "import sys\nfrom napari_unet_nuclei.cli import app\n"
        f"for arguments in {[list(run) for run in runs]!r}:\n"
        "    try:\n        app(arguments)\n"
        "    except SystemExit as ended:\n        assert not ended.code\n"
        "    print('LOADED', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [set(line.split()) for line in shown.splitlines() if line.startswith("LOADED")]


def test_help_lists_every_subcommand():
    shown = run("--help")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in SUBCOMMANDS)


def test_help_loads_nothing_heavy():
    [loaded] = loaded_by(("--help",))
    assert loaded.isdisjoint(HEAVY)


def test_help_of_a_subcommand_loads_no_network_and_no_window():
    after = loaded_by(*((name, "--help") for name in SUBCOMMANDS))
    assert len(after) == len(SUBCOMMANDS)
    for name, loaded in zip(SUBCOMMANDS, after, strict=True):
        assert loaded.isdisjoint({"torch", "napari", "qtpy", "magicgui"}), name


def test_help_answers_at_once():
    def processor_seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "napari_unet_nuclei", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Time of the processor, and the best of some: a busy machine is no fault of the program's.
    assert any(processor_seconds() < 0.8 for _ in range(4))


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


def test_what_tifffile_logs_of_damaged_files_is_not_printed(monkeypatch):
    monkeypatch.setattr("napari_unet_nuclei.cli.app", lambda **_: None)
    log = logging.getLogger("tifffile")
    monkeypatch.setattr(log, "handlers", [])
    main()
    assert any(isinstance(handler, logging.NullHandler) for handler in log.handlers)
