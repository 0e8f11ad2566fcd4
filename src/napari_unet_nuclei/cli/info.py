"""The subcommand ``info``: the facts that a bug report needs."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from napari_unet_nuclei.cli.options import Json

PACKAGES = ("napari-unet-nuclei", "torch", "numpy", "scipy", "scikit-image", "tifffile", "napari", "PyQt6", "PySide6")


def info_command(as_json: Json = False) -> None:
    """Show versions, devices, models and folders, for bug reports."""
    facts = computer_facts()
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for topic, values in facts.items():
        typer.echo(f"{topic}:")
        for name, value in values.items():
            typer.echo(f"  {name}: {value}")


def computer_facts() -> dict[str, dict[str, str]]:
    """Collect facts about this computer and installation, by topic and name."""
    from napari_unet_nuclei.core.corrections.store import corrections_folder
    from napari_unet_nuclei.core.model.device import available_devices, choose_device
    from napari_unet_nuclei.core.model.number_format import cache_folder
    from napari_unet_nuclei.core.model.registry import default_registry

    registry = default_registry()
    devices = {name: choose_device(name) for name in available_devices()}
    return {
        "versions": {"Python": platform.python_version(), **{name: installed_version(name) for name in PACKAGES}},
        "computer": {"system": platform.platform(), "processor": platform.processor() or platform.machine()},
        "devices": {
            name: f"{device.title}, {str(device.precision).removeprefix('torch.')}" for name, device in devices.items()
        },
        "models": {entry.name: str(entry.path) for entry in registry.list()},
        "folders": {
            "scripts for ImageJ and QuPath": str(Path(__file__).parents[1] / "scripts"),
            "program": str(Path(__file__).parents[1]),
            "bundled models": str(registry.bundled),
            "your models": str(registry.own),
            "your corrections": str(corrections_folder()),
            "cache": str(cache_folder()),
        },
    }


def installed_version(package: str) -> str:
    """Return the version of a package without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
