"""What may import what, and what must stay quick to start."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.helpers.program import write_image

ROOT = Path(__file__).parents[1]
PACKAGE = "napari_unet_nuclei"
SOURCE = ROOT / "src" / "napari_unet_nuclei"
WINDOW = ("napari", "qtpy", "magicgui", "superqt", "psygnal", "PyQt5", "PyQt6", "PySide2", "PySide6")

# Segments from Python, then a folder from the command line, where nothing that draws a window is installed.
SEGMENT_WITHOUT_WINDOW = """
import sys
sys.modules.update(dict.fromkeys({window!r}))
import imageio.v3 as iio
from napari_unet_nuclei import measure, segment
from napari_unet_nuclei.cli import main

image = iio.imread("images/a.png")
labels = segment(image).labels
assert len(measure(labels, {{"DAPI": image}})) > 1
loaded = {{"kornia", "matplotlib"}} & set(sys.modules)
assert not loaded, loaded

sys.argv = ["napari-unet-nuclei", "segment", "images", "--out", "results", "--quiet"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert "kornia" not in sys.modules
"""

MOST_WITH_ONE_IMPORTER = 48
"""Modules: parts of one dock, formats of one maker, long algorithms, see `docs/architecture.md`."""

IMPORT_PACKAGES = """
import importlib, pkgutil, sys
for name in {names!r}:
    module = importlib.import_module("napari_unet_nuclei." + name if name else "napari_unet_nuclei")
    for found in pkgutil.walk_packages(getattr(module, "__path__", []) if name else [], module.__name__ + "."):
        importlib.import_module(found.name)
"""


def loaded_after_importing(*names: str, absent: tuple[str, ...] = ()) -> set[str]:
    """Import modules of the package, subpackages included, in a fresh Python; return all that is loaded then."""
    hide = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in absent)
    show = "print(*(name for name, module in sys.modules.items() if module))"
    code = hide + IMPORT_PACKAGES.format(names=names) + show
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_import_contracts_hold(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_no_test_borrows_from_a_test_module():
    """What several tests need lies in tests/helpers: else running or renaming one test changes another."""
    borrowed = re.compile(r"(from|import)\s+tests(\.\w+)*\.test_\w+")
    found = [path for path in sorted((ROOT / "tests").rglob("*.py")) if borrowed.search(path.read_text("utf-8"))]
    assert found == []


def test_importing_the_package_loads_neither_torch_nor_napari():
    assert loaded_after_importing("").isdisjoint({"torch", *WINDOW})


def test_the_command_line_starts_without_torch_and_so_does_what_the_window_needs_before_a_run():
    nouns = ("core.image", "core.labels", "core.settings", "core.model.card", "core.model.registry")
    assert "torch" not in loaded_after_importing("cli", *nouns, "core.segment.request", "core.segment.result")


def test_core_and_command_line_need_neither_napari_nor_qt():
    assert "torch" in loaded_after_importing("core", "cli", absent=WINDOW)


@functools.cache
def own_imports() -> dict[str, list[ast.ImportFrom]]:
    """Return, for each module, its imports from modules of the package, those in functions included."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        name = ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = [
            one for one in nodes if isinstance(one, ast.ImportFrom) and (one.module or "").startswith(PACKAGE)
        ]
    return found


def test_no_private_name_is_imported_from_another_module():
    private = [
        f"{module}: {node.module}.{name.name}"
        for module, nodes in own_imports().items()
        for node in nodes
        for name in node.names
        if name.name.startswith("_") and not name.name.endswith("__")
    ]
    assert not private


def test_few_modules_serve_a_single_other_one():
    """A module with one importer is a fragment of it, unless it has a reason: those that are used from outside do."""
    importers = {module: set() for module in own_imports()}
    for module, nodes in own_imports().items():
        for node in nodes:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                importers[whole if whole in importers else node.module].add(module)
    outside = (SOURCE / "napari.yaml").read_text(encoding="utf-8") + (SOURCE / "__init__.py").read_text(
        encoding="utf-8"
    )
    packages = {module.rpartition(".")[0] for module in importers}
    serving_one = [
        module
        for module, users in importers.items()
        if len(users) == 1
        and module not in packages
        and not re.search(rf"{re.escape(module.removeprefix(PACKAGE))}\b", outside)
    ]
    assert len(serving_one) <= MOST_WITH_ONE_IMPORTER, serving_one


def test_a_folder_is_segmented_without_a_window_and_without_what_only_training_and_plots_need(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    code = SEGMENT_WITHOUT_WINDOW.format(window=WINDOW)
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "results" / "report.html").exists()


@pytest.mark.parametrize(
    ("package", "rooms"), [("kornia", ("core.train.",)), ("matplotlib", ("report", "loss_plot", "measure.plot"))]
)
def test_heavy_packages_are_imported_by_training_and_by_drawings_alone(package, rooms):
    importers = {
        ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        for file in SOURCE.rglob("*.py")
        if re.search(rf"^\s*(import|from) {package}\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers
    assert all(any(room in importer for room in rooms) for importer in importers), importers


def test_the_base_installation_declares_no_window():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.match(r"[\w-]+", requirement)[0].lower() for requirement in project["dependencies"]]
    assert "numpy" in names
    assert not {name.lower() for name in WINDOW} & set(names)


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")))
def test_every_benchmark_still_finds_what_it_measures(script):
    importlib.import_module(f"benchmarks.{script}")
    code = (ROOT / "benchmarks" / f"{script}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(code)):  # they import what they measure in child processes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_unet_nuclei"):
            exec(compile(ast.Module([node], []), script, "exec"), {})
