"""Options generated from settings classes, and options that several commands share."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer
from pydantic import BaseModel

from napari_unet_nuclei.core.settings import KIND_WORDS
from napari_unet_nuclei.core.settings_base import Former, Settings, read_settings
from napari_unet_nuclei.core.types import Region

Command: TypeAlias = Callable[..., None]

SETTINGS_PANEL = "Settings"
CLASSES_PANEL = "Classes of pixels"

Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Series: TypeAlias = Annotated[
    str,
    typer.Option(
        "--series",
        metavar="N|all|NAME",
        help="Which image to take from files that hold several: its number from 0, its name, or all. By default all "
        "where they are alike, as positions are, and otherwise the first.",
    ),
]

TrainingChannel: TypeAlias = Annotated[
    str,
    typer.Option(
        "--channel",
        metavar="NAME_OR_NUMBER",
        help="Channel with the nuclei in images that have several, by name or by number from 0.",
        show_default="automatic",
    ),
]

AROUND_PANEL = "Around the nuclei"

CellWidth: TypeAlias = Annotated[
    str,
    typer.Option(
        "--cell",
        metavar="DISTANCE",
        help="Measure cells, too: each nucleus grown by this distance, without overlap, e.g. 5um or 12px.",
        rich_help_panel=AROUND_PANEL,
    ),
]
RingWidth: TypeAlias = Annotated[
    str,
    typer.Option(
        "--ring",
        metavar="DISTANCE",
        help="Measure a ring of this width around each nucleus, e.g. 2um or 5px.",
        rich_help_panel=AROUND_PANEL,
    ),
]
RingGap: TypeAlias = Annotated[
    str,
    typer.Option(
        "--gap",
        metavar="DISTANCE",
        help="Leave this distance between a nucleus and its ring, e.g. 0.5um or 1px.",
        rich_help_panel=AROUND_PANEL,
    ),
]
GateText: TypeAlias = Annotated[
    str,
    typer.Option(
        "--gate",
        metavar="GATE",
        help="Which nuclei count as positive, by columns of the table: 'GFP_mean > 500', or several limits with 'and' "
        "between them. Adds the column 'positive' and tells their share.",
        rich_help_panel=AROUND_PANEL,
    ),
]
ClassesFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        metavar="FILE.json",
        help="Classes of nuclei, as the dock Measure saves them. Adds the columns 'class' and 'class_probability' and "
        "tells the share of each class.",
        rich_help_panel=AROUND_PANEL,
    ),
]

Void: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--void", metavar="ID", help="Id of pixels without a class; they are ignored.", rich_help_panel=CLASSES_PANEL
    ),
]
LabelChannel: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--label-channel",
        min=0,
        help="Channel of the label images that holds the class ids, from 0; in colour images 0 is red.",
        rich_help_panel=CLASSES_PANEL,
    ),
]
Binary: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--binary",
        help="Label images are masks of two classes: pixels above half of the maximum are 1, the others 0.",
        rich_help_panel=CLASSES_PANEL,
    ),
]


def parse_kind(text: str) -> str:
    """Parse a kind of image, in plain words or as settings files have it.

    Examples
    --------
    >>> parse_kind("dark"), parse_kind("brightfield")
    ('brightfield', 'brightfield')
    """
    kind = KIND_WORDS.get(text, text)
    if kind not in KIND_WORDS.values():
        raise typer.BadParameter(f"'{text}' is not one of {', '.join(KIND_WORDS)}.")
    return kind


KIND_OPTION: dict[str, Any] = {"parser": parse_kind, "metavar": "|".join(KIND_WORDS)}
"""How ``--kind`` is read and shown."""


def settings_options(
    kind: type[Settings], parameter: str = "settings", panel: str = SETTINGS_PANEL
) -> Callable[[Command], Command]:
    """Replace a command's parameter, of class ``kind``, by one option per setting, and for ``settings`` a file of them.

    A switch ``x_auto`` gets no option: passing ``--x`` turns it off. Options override the values in the file. Options
    of earlier versions are accepted but hidden.
    """
    former = list(kind.former)
    names = [name for name in kind.model_fields if name.removesuffix("_auto") not in kind.model_fields.keys() - {name}]
    generated = [_parameter(name, field_option(kind, name, panel)) for name in names]
    file_option = Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE.json", help="Settings from a file.", rich_help_panel=SETTINGS_PANEL),
    ]
    if parameter == "settings":
        generated.append(_parameter("settings_file", file_option))
    generated += [_parameter(name, _former_option(one)) for name, one in kind.former.items()]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_settings(settings_file: Path | None = None, **values: Any) -> None:
            # Every option defaults to None, so that a value in the file is overridden only by one that was typed.
            given = {name: values.pop(name, None) for name in (*names, *former)}
            start = read_settings(settings_file, kind) if settings_file else kind()
            chosen = start.changed(**{name: value for name, value in given.items() if value is not None})
            command(**values, **{parameter: chosen})

        # typer reads options from a signature; under postponed evaluation its annotations are still text.
        signature = inspect.signature(command, eval_str=True)
        own = [one for name, one in signature.parameters.items() if name != parameter]
        with_settings.__signature__ = signature.replace(parameters=[*own, *generated])  # type: ignore[attr-defined]  # typer reads it
        return with_settings

    return decorate


def field_option(kind: type[BaseModel], name: str, panel: str = SETTINGS_PANEL) -> Any:
    """Build an option's annotation from a model field: its description becomes the help, its bounds the range.

    The option's value is None if it is not given.
    """
    field = kind.model_fields[name]
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    description, unit = str(field.description), str(extra.get("unit", ""))
    # Some descriptions name their unit in passing.
    if unit and not re.search(rf"\b{unit}\b", description):
        description += f" ({unit})"
    option = typer.Option(
        help=description,
        **(KIND_OPTION if name == "kind" else {}),
        min=next((bound.ge for bound in field.metadata if hasattr(bound, "ge")), None),
        max=next((bound.le for bound in field.metadata if hasattr(bound, "le")), None),
        show_default="automatic" if f"{name}_auto" in kind.model_fields else _shown(name, field.default),
        rich_help_panel=panel,
    )
    return Annotated[field.annotation | None, option]  # type: ignore[operator]  # an annotation for typer


def _former_option(former: Former) -> Any:
    """Build the annotation of an option of an earlier version; one without meaning today accepts any text."""
    kind = Literal[former.values] if former.values else str
    return Annotated[kind | None, typer.Option(hidden=True)]


def parse_plane(text: str) -> dict[str, int]:
    """Parse the plane of a stack: ``3`` if there is one leading axis, else ``T=0,Z=3``.

    Examples
    --------
    >>> parse_plane("3"), parse_plane("T=0, z=3"), parse_plane("")
    ({'': 3}, {'T': 0, 'Z': 3}, {})
    """
    plane: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        letter, _, index = part.rpartition("=")
        letter = letter.strip().upper()
        if not index.strip().isdecimal() or letter in plane or letter not in ("", "T", "Z", "Q"):
            raise typer.BadParameter(f"'{text}' is not a plane. Give an index, or one per axis: 3 or T=0,Z=3.")
        plane[letter] = int(index)
    if "" in plane and len(plane) > 1:
        raise typer.BadParameter(f"'{text}': give the axis of every index, e.g. T=0,Z=3.")
    return plane


def parse_region(text: str) -> Region | None:
    """Parse a rectangle of pixels, ends excluded; None if the text is empty.

    Examples
    --------
    >>> parse_region("0:512,100:356")
    (0, 512, 100, 356)
    """
    if not text:
        return None
    try:
        (y0, y1), (x0, x1) = (map(int, side.split(":")) for side in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a region. Give Y0:Y1,X0:X1 in pixels, e.g. 0:512,0:512.") from None
    if not (0 <= y0 < y1 and 0 <= x0 < x1):
        raise typer.BadParameter(
            f"The region '{text}' has no pixels: Y0:Y1,X0:X1 count from 0, and each end must exceed its start."
        )
    return y0, y1, x0, x1


def parse_cells(cell: str, ring: str, gap: str) -> dict[str, Any]:
    """Parse widths with their unit, which must be the same for all that are given, into values of `CellSettings`.

    Examples
    --------
    >>> parse_cells("5um", "2 µm", "")
    {'cell': 5.0, 'ring': 2.0, 'distance_unit': 'µm'}
    """
    values: dict[str, Any] = {}
    units = set()
    for name, text in (("cell", cell), ("ring", ring), ("gap", gap)):
        if not text:
            continue
        values[name], unit = _length(text, f"--{name}")
        units.add(unit)
    if len(units) > 1:
        raise typer.BadParameter("Give all distances in µm or all in px.", param_hint="--cell, --ring, --gap")
    if "gap" in values and not values.get("ring"):
        raise typer.BadParameter("A gap needs a ring: give --ring, too.", param_hint="--gap")
    return {**values, "distance_unit": units.pop()} if units else {}


def parse_spots(text: str) -> tuple[str, tuple[float, str]]:
    """Parse a channel and the diameter of its spots.

    Examples
    --------
    >>> parse_spots("GFP=0.5um")
    ('GFP', (0.5, 'µm'))
    """
    channel, _, diameter = text.rpartition("=")
    if not channel:
        raise typer.BadParameter(
            f"'{text}': give a channel and the diameter of its spots, GFP=0.5um.", param_hint="--spots-in"
        )
    return channel, _length(diameter, "--spots-in")


def _length(text: str, option: str) -> tuple[float, str]:
    """Parse a length above 0 and its unit, µm or px."""
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(um|µm|μm|px)\s*", text)
    if found is None or not float(found[1]):
        raise typer.BadParameter(
            f"'{text}' is not a distance. Give a number with its unit: 5um or 12px.", param_hint=option
        )
    return float(found[1]), "px" if found[2] == "px" else "µm"


def _shown(name: str, default: object) -> str:
    """Format a default as the user would type it."""
    if isinstance(default, bool):
        return name if default else f"no-{name}"
    return str(default)


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
