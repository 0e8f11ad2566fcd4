"""Every command of the project: ``nox -s demo`` for the main job, ``nox -s test`` for the tests, ``nox -l`` for all.

Each session has an environment of its own under ``.nox``, installed once, and again only when its needs have changed.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["test"]
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent

# What Qt loads under X11, by the Debian package that brings it.
QT_LIBRARIES = {
    "libdbus-1-3": "libdbus-1.so.3",
    "libegl1": "libEGL.so.1",
    "libfontconfig1": "libfontconfig.so.1",
    "libgl1": "libGL.so.1",
    "libglib2.0-0": "libglib-2.0.so.0",
    "libopengl0": "libOpenGL.so.0",
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-image0": "libxcb-image.so.0",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-randr0": "libxcb-randr.so.0",
    "libxcb-render-util0": "libxcb-render-util.so.0",
    "libxcb-shape0": "libxcb-shape.so.0",
    "libxcb-xfixes0": "libxcb-xfixes.so.0",
    "libxcb-xinerama0": "libxcb-xinerama.so.0",
    "libxcb-xinput0": "libxcb-xinput.so.0",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
}
# Programs that stand in for a screen where there is none. Mesa draws OpenGL without a graphics card.
XVFB_PROGRAMS = {"xvfb": "Xvfb", "x11-utils": "xdpyinfo"}
XVFB_COMPANIONS = ["libgl1-mesa-dri"]

# A process a core, and two more, since tests wait for windows, timers and children; each has a screen of its own. A
# process that has run out of tests takes over some of another's.
PROCESSES = min((os.cpu_count() or 1) + 2, 6)
PARALLEL = [f"--numprocesses={PROCESSES}", "--dist=worksteal"]


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Segment the bundled sample; opens napari where there is a screen. ``-- --no-window`` for files only."""
    window = "--no-window" not in session.posargs and has_screen()
    arguments = list(session.posargs)
    if window and not has_system_packages(session, list(missing_libraries())):
        session.warn("The demo goes on without a window.")
        window = False
        arguments.append("--no-window")
    # Without a window the base installation does: it has neither napari nor Qt, and is there in half the time.
    install(session, "-e", ".[all]" if window else ".")
    session.run("napari-unet-nuclei", "demo", *arguments)


@nox.session
def test(session: nox.Session) -> None:
    """Run all tests, window tests included. What follows ``--`` goes to pytest."""
    prepare_windows(session)
    install(session, "-e", ".[test]")
    # Each process, and each program that a test starts, would else compile the package anew where that is switched off.
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}
    session.run("pytest", *PARALLEL, "--hypothesis-profile=ci", *session.posargs, env=compiled)


@nox.session(default=False)
def test_pyside(session: nox.Session) -> None:
    """Run all tests with PySide6 in place of PyQt6."""
    prepare_windows(session)
    install(session, "-e", ".[test]", "napari[pyside6]")
    session.run("pytest", *PARALLEL, *session.posargs, env={"QT_API": "pyside6", "PYTEST_QT_API": "pyside6"})


@nox.session(default=False, python="3.11")
def test_lowest(session: nox.Session) -> None:
    """Run all tests with the oldest packages that pyproject.toml allows, on the oldest Python."""
    prepare_windows(session)
    # In place of constraints.txt, which names a newer PyTorch. On Linux the oldest one comes with gigabytes of CUDA.
    install(session, "-e", ".[test,anndata]", constraints=lowest_constraints(session))
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Run all tests and print what they cover. A session of its own: counting takes half as much time again."""
    prepare_windows(session)
    install(session, "-e", ".[test]")
    session.run("pytest", "--cov", "--cov-report=term:skip-covered", *session.posargs)


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session, "ruff", of_project=False)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(default=False)
def types(session: nox.Session) -> None:
    """Check types."""
    install(session, "-e", ".[test,dev]")
    session.run("mypy", *session.posargs)


@nox.session(default=False)
def imports(session: nox.Session) -> None:
    """Check which part imports which: the contracts in pyproject.toml."""
    install(session, "import-linter", of_project=False)
    session.run("lint-imports", "--no-logo", env={"PYTHONPATH": str(ROOT / "src")})


@nox.session(default=False)
def manifest(session: nox.Session) -> None:
    """Check the plugin's manifest."""
    install(session, "npe2", of_project=False)
    session.run("npe2", "validate", "src/napari_unet_nuclei/napari.yaml")


@nox.session(default=False)
def dead_code(session: nox.Session) -> None:
    """Look for code that nothing but tests uses."""
    install(session, "vulture", of_project=False)
    session.run("vulture")


@nox.session(default=False)
def spelling(session: nox.Session) -> None:
    """Look for misspelt words."""
    install(session, "typos", of_project=False)
    session.run("typos")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html."""
    install(session, "-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(default=False)
def checks(session: nox.Session) -> None:
    """Run every check but the tests, in one environment: seven would have PyTorch installed twice."""
    failed = []
    for check in (lint, types, imports, manifest, dead_code, spelling, docs):
        try:
            check(session)
        except nox.command.CommandFailed:
            failed.append(check.__name__)
    if failed:
        session.error(f"Failed: {', '.join(failed)}")


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build the distributions into dist, and check what PyPI would show of them."""
    install(session, "build", "twine", of_project=False)
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, (ROOT / "dist").iterdir()))


@nox.session(default=False)
def screenshots(session: nox.Session) -> None:
    """Take the pictures of README and docs again."""
    prepare_windows(session)
    install(session, "-e", ".[test]")
    session.run("python", "docs/screenshots.py", *session.posargs)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Measure speed and memory on this machine."""
    prepare_windows(session)
    install(session, "-e", ".[test]")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def endurance(session: nox.Session) -> None:
    """Spoil files, kill work, fill disks, use a window for long. ``-- CAMPAIGN`` for one; before a release, all."""
    prepare_windows(session)
    install(session, "-e", ".[test]")
    session.run("python", "-m", "endurance", *session.posargs)


@nox.session(default=False, python="3.11")
def peers(session: nox.Session) -> None:
    """Measure the time of StarDist and Cellpose beside ours, on this machine."""
    install(session, "-e", ".", "stardist", "tensorflow-cpu", "cellpose>=3,<4")
    session.run("python", "-m", "benchmarks", "peers")


def install(
    session: nox.Session, *requirements: str, of_project: bool = True, constraints: Path = ROOT / "constraints.txt"
) -> None:
    """Install what a session needs, unless an earlier run installed the very same.

    The project is installed editable, so that only its dependencies and its build settings count, not its source.
    """
    wanted: list[object] = [str(ROOT), sys.version, requirements]
    if of_project:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        wanted += [project["build-system"], project["project"], project["tool"]["hatch"]]
        wanted.append(constraints.read_text(encoding="utf-8"))
    fingerprint = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / f"installed-{fingerprint}"
    if not stamp.exists():
        session.install("-c", str(constraints), *requirements)
        stamp.touch()


def lowest_constraints(session: nox.Session) -> Path:
    """Write constraints that pin what the project and its extras need to the oldest releases that they allow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    of_extras = ("anndata", "bioimageio", "distributed", "formats", "napari", "remote")
    declared = [*project["dependencies"], *(requirement for name in of_extras for requirement in extras[name])]
    # A constraint may not name extras.
    pins = [re.sub(r"\[.*\]", "", requirement).replace(">=", "==") for requirement in declared]
    file = Path(session.virtualenv.location) / "lowest.txt"
    file.write_text("\n".join(pins), encoding="utf-8")
    return file


def has_screen() -> bool:
    """True where a window can be shown to somebody."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def prepare_windows(session: nox.Session) -> None:
    """See to it that window tests can run; where they cannot, they are skipped and say why."""
    missing = list(missing_libraries())
    programs = [package for package, program in XVFB_PROGRAMS.items() if not shutil.which(program)]
    if programs and not has_screen():
        missing += [*programs, *XVFB_COMPANIONS]
    has_system_packages(session, missing)


def missing_libraries() -> list[str]:
    """Name the Debian packages whose libraries Qt would miss; none but on Linux."""
    if sys.platform != "linux":
        return []
    return [package for package, library in QT_LIBRARIES.items() if not can_load(library)]


def can_load(library: str) -> bool:
    """True where the dynamic linker finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_system_packages(session: nox.Session, missing: list[str]) -> bool:
    """Install Debian packages where the user may, else print the line that does; True when none is missing any more."""
    if sys.platform != "linux" or not missing:
        return True
    line = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            session.run("apt-get", "update", "--quiet", external=True, env=environment, silent=True)
            session.run(*line, external=True, env=environment, silent=True)
        except nox.command.CommandFailed:
            session.warn("apt-get failed.")
        else:
            return True
    session.warn(f"Windows need system packages that are missing. On Debian and Ubuntu: sudo {' '.join(line)}")
    return False
