"""Messages name options of the command that shows them, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

import napari_unet_nuclei
from napari_unet_nuclei.cli import SUBCOMMANDS, app

PACKAGE = Path(napari_unet_nuclei.__file__).parent

SHOWN_BY = {
    "core/image/channels.py": ("segment", "train", "finetune"),  # the commands that look for nuclei
    "core/image/layouts": ("segment",),  # which alone groups files by their names
    "core/segment": ("segment",),
    "core/blocks": ("segment",),
    "core/folder": ("segment",),
    "core/train": ("train",),
    "core/finetune": ("finetune",),
    "core/model/packages": ("models export",),
    **{f"cli/{name}.py": (name,) for name in SUBCOMMANDS if name != "models"},
}
"""Commands that show the messages of a part of the program; the other parts are used by all."""

OTHER_COMMANDS = re.compile(r"napari-unet-nuclei \w+ [^`'\"]*")
"""Whole command lines, whose options are their own."""

DECLARED = re.compile(r"-[\w-]+(/--no-[\w-]+)?")
"""An option alone: where it is declared, or handed to a program."""


def options() -> dict[str, set[str]]:
    """Names of all options by command."""
    found: dict[str, set[str]] = {}

    def add(command: object, name: str) -> None:
        if isinstance(command, TyperGroup):
            for part in command.list_commands(None):
                add(command.get_command(None, part), f"{name} {part}".strip())
        else:
            found[name] = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}

    add(get_command(app), "")
    return found


def messages(path: Path) -> Iterator[str]:
    """Texts in a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in texts:
        if id(node) not in docstrings and not DECLARED.fullmatch(node.value):
            yield OTHER_COMMANDS.sub("", node.value)


def shown_by(path: Path) -> tuple[str, ...]:
    """Commands that show messages of a module; all that are not known better."""
    place = path.relative_to(PACKAGE).as_posix()
    return next((names for part, names in SHOWN_BY.items() if place.startswith(part)), tuple(ALL))


ALL = options()
MODULES = sorted({*PACKAGE.glob("core/**/*.py"), *PACKAGE.glob("cli/*.py")} - {PACKAGE / "cli" / "options.py"})


def test_every_part_that_is_known_better_is_there() -> None:
    assert all((PACKAGE / part).exists() for part in SHOWN_BY)
    assert {name for names in SHOWN_BY.values() for name in names} <= ALL.keys()


def test_options_in_messages_are_those_of_the_commands_that_show_them() -> None:
    lacking = {
        f"{path.relative_to(PACKAGE)}: {name} {option}"
        for path in MODULES
        for text in messages(path)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        for name in shown_by(path)
        if option not in ALL[name]
    }
    assert not lacking
