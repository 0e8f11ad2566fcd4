"""Files of microscope makers: every axis, scenes, tiles, positions, colours, and what was never taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn.case import Case
from benchmarks.drawn.drawing import bright, field, stack, stained
from benchmarks.drawn.tiffs import COUNTS, STAINED, UM, options, two
from tests.helpers.flex_files import write_flex
from tests.helpers.metamorph_files import write_stk
from tests.helpers.microscope_files import (
    write_czi,
    write_dv,
    write_lif,
    write_lof,
    write_nd2,
    write_oif,
    write_xlef,
)

METRES = UM * 1e-6
NAMES = ["DAPI", "GFP"]
POSITIONS = (4, 8, 12)
"""Nuclei of each position."""


def microscope_cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from _leica()
    yield from _zeiss()
    yield from _nikon()
    yield from _olympus()
    yield from _deltavision()
    yield from _metamorph_and_opera()


def _means(axes: str, first: str = "DAPI", second: str = "GFP") -> dict[str, float]:
    return two(first, second) if "C" in axes else {"intensity": bright()}


def _asked(axes: str) -> dict[str, Any]:
    """Return what is asked of a file whose channels are named: DAPI is found by itself."""
    return {name: value for name, value in options(axes).items() if name != "channel"}


def _leica() -> Iterator[Case]:
    for axes in ("YX", "TYX", "ZYX", "CYX", "TCYX", "ZCYX", "TZCYX", "CZYX", "CTYX"):
        draw = partial(_lif, images=[stack(axes)], axes=axes, dyes=NAMES if "C" in axes else [])
        yield Case(f"LIF {axes}", draw, COUNTS[axes], UM, _means(axes), options=_asked(axes))
    yield Case("LIF RGB", partial(_lif, images=[stained()], axes="YXS"), (8,), UM, STAINED)
    positions = [field(n) for n in POSITIONS]
    several = partial(_lif, images=positions, axes="YX", names=["Scan/Position 1", "Scan/Position 2", "Position 1"])
    yield Case("LIF of three positions", several, POSITIONS, UM)
    yield Case("LIF image 1", several, (8,), UM, options={"series": 1})
    yield Case("LIF image by its name", several, (12,), UM, options={"series": "Position 1"})
    sizes = [field(4), field(8)[:100], field(12)[:, :120]]
    yield Case("LIF of three sizes", partial(_lif, images=sizes, axes="YX"), POSITIONS, UM)
    tiles = partial(_lif, images=[np.stack(positions)], axes="MYX")
    yield Case("LIF of tiles", tiles, POSITIONS, UM)
    one = partial(_lif, images=positions[:1], axes="YX")
    yield Case("LIF truncated", partial(_cut, write=one, name="a.lif"), refused="truncated")
    yield Case("LOF", _lof, (8,), UM, two("channel_0", "channel_1"), options={"channel": 0})
    yield Case("XLEF of two images", _xlef, (4, 8), UM)


def _lif(folder: Path, images: list[Any], axes: str, names: Sequence[str] = (), dyes: Sequence[str] = ()) -> None:
    write_lif(folder / "a.lif", images, axes, METRES, names, dyes)


def _lof(folder: Path) -> None:
    write_lof(folder / "a.lof", stack("CYX"), "CYX", METRES)


def _xlef(folder: Path) -> Path:
    write_xlef(folder / "a.xlef", {"b": field(4), "c": field(8)}, "YX", METRES)
    return folder / "a.xlef"


def _cut(folder: Path, write: Any, name: str) -> None:
    write(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def _zeiss() -> Iterator[Case]:
    scenes = np.stack([stack("CYX", counts=(n,)) for n in POSITIONS])
    czi = partial(_czi, pieces=scenes)
    yield Case("CZI of three scenes", czi, POSITIONS, UM, two("DAPI", "GFP"))
    yield Case("CZI scene 1", czi, (8,), UM, two("DAPI", "GFP"), options={"series": 1})
    yield Case("CZI of one scene", partial(_czi, pieces=scenes[1:2]), (8,), UM, two("DAPI", "GFP"))
    yield Case("CZI of scenes far apart", partial(_czi, pieces=scenes, apart=10**6), POSITIONS, UM)
    yield Case("CZI with reduced copies", partial(_czi, pieces=scenes, apart=1000, reduced=True), POSITIONS, UM)
    yield Case("CZI in time", partial(_czi, pieces=scenes[:2], axis="T"), (4, 8), UM, {"DAPI": bright()})
    depth = partial(_czi, pieces=scenes[[1, 1]], axis="Z")
    yield Case("CZI in depth", depth, (8,), UM, two("DAPI", "GFP"), options={"plane": {"Z": 0}})
    tiles = {(x, y): field(16)[y : y + 64, x : x + 72] for x in (0, 72) for y in (0, 64)}
    mosaic = [(tile, place, {}, 0) for place, tile in tiles.items()]
    yield Case("CZI mosaic", partial(_drawn_czi, tiles=mosaic), (16,), UM, {"intensity": bright()})
    scattered = [
        (tile, (x + 500 * scene, y), {"Z": z}, scene)
        for scene in (0, 1)
        for z in (0, 1)
        for (x, y), tile in tiles.items()
    ]
    asked = {"plane": {"Z": 1}}
    yield Case("CZI mosaics of two scenes in depth", partial(_drawn_czi, tiles=scattered), (16, 16), UM, options=asked)
    yield Case("CZI RGB", partial(_drawn_czi, tiles=[(stained(), (0, 0), {}, 0)]), (8,), UM, STAINED)
    yield Case("CZI truncated", partial(_cut, write=czi, name="a.czi"), refused="a.czi")


def _czi(folder: Path, pieces: Any, **more: Any) -> None:
    write_czi(folder / "a.czi", pieces, METRES, NAMES, **more)


def _drawn_czi(folder: Path, tiles: Sequence[tuple[Any, tuple[int, int], Mapping[str, int], int]]) -> None:
    """Write tiles, each with its place, its plane and its scene, by the library of the maker."""
    from pylibCZIrw import czi

    with czi.create_czi(str(folder / "a.czi")) as file:
        for tile, location, plane, scene in tiles:
            samples = np.ascontiguousarray(tile if tile.ndim == 3 else tile[..., None])
            file.write(samples, location=location, plane=dict(plane), scene=scene)
        file.write_metadata(scale_x=METRES, scale_y=METRES)


def _nikon() -> Iterator[Case]:
    for loops in ("", "T", "Z", "TZ"):
        axes = f"{loops}CYX"
        draw = partial(_nd2, frames=stack(axes), loops=loops)
        yield Case(f"ND2 {axes}", draw, COUNTS[axes], UM, two("DAPI", "GFP"), options=_asked(axes))
    positions = np.stack([field(n)[None] for n in POSITIONS])
    yield Case("ND2 of three positions", partial(_nd2, frames=positions, loops="P"), POSITIONS, UM, {"DAPI": bright()})
    both = np.stack([stack("TZCYX", counts=(n, n + 4)) for n in (4, 8)])
    each = (4, 8, 8, 12)
    asked = {"plane": {"Z": 1}}
    yield Case("ND2 PTZ", partial(_nd2, frames=both, loops="PTZ"), each, UM, two("DAPI", "GFP"), options=asked)
    inner = np.ascontiguousarray(both.swapaxes(0, 1))
    yield Case("ND2 TPZ", partial(_nd2, frames=inner, loops="TPZ"), each, UM, two("DAPI", "GFP"), options=asked)
    last = options("Z") | {"series": 1}
    yield Case("ND2 position 1", partial(_nd2, frames=both[:, 0], loops="PZ"), (8,), UM, options=last)
    yield Case("ND2 RGB", partial(_nd2, frames=stained()[None], loops="", channels=["RGB"]), (8,), UM, STAINED)
    movie = stack("TCYX", counts=(4, 8, 12))
    stopped = partial(_nd2, frames=movie, loops="T", taken=2)
    yield Case("ND2 that was stopped", stopped, (4, 8), UM)
    lost = partial(_nd2, frames=movie, loops="T", lost=[1])
    yield Case("ND2 that lost a frame", lost, (4, 12), UM)
    draw = partial(_cut, write=partial(_nd2, frames=movie, loops="T"), name="a.nd2")
    yield Case("ND2 truncated", draw, refused="a.nd2")


def _nd2(folder: Path, frames: Any, loops: str, channels: list[str] = NAMES, **more: Any) -> None:
    named = channels[: frames.shape[len(loops)]]
    write_nd2(folder / "a.nd2", frames, UM, named, loops=loops, times=list(range(1000)), **more)


def _olympus() -> Iterator[Case]:
    for suffix in ("oib", "oif"):
        for axes in ("CYX", "TCYX", "ZCYX", "TZCYX"):
            draw = partial(_oif, suffix=suffix, planes=stack(axes), axes=axes)
            means = two("DAPI", "GFP")
            yield Case(f"Olympus {suffix} {axes}", draw, COUNTS[axes], UM, means, options=_asked(axes))
    draw = partial(_cut, write=partial(_oif, suffix="oib", planes=stack("CYX"), axes="CYX"), name="a.oib")
    yield Case("Olympus oib truncated", draw, refused="a.oib")


def _oif(folder: Path, suffix: str, planes: Any, axes: str) -> None:
    write_oif(folder / f"a.{suffix}", planes, axes, UM, NAMES, 1000)


def _deltavision() -> Iterator[Case]:
    for sequence, name in enumerate(("ZTW", "WZT", "ZWT")):
        draw = partial(_dv, pixels=stack("TCZYX"), sequence=sequence)
        asked = {"channel": 0, "plane": {"Z": 1}}
        yield Case(f"DeltaVision {name}", draw, (4, 8), UM, two("channel_0", "channel_1"), options=asked)
    yield Case("DeltaVision TYX", partial(_dv, pixels=stack("TYX")[:, None, None]), (4, 8), UM)
    single = field(8)[None, None, None]
    yield Case("DeltaVision big-endian", partial(_dv, pixels=single, order=">"), (8,), UM, {"intensity": bright()})
    waves = partial(_dv, pixels=stack("CYX")[None, :, None], wavelengths=(461, 520))
    yield Case("DeltaVision with wavelengths", waves, (8,), UM, two("461 nm", "520 nm"), options={"channel": "461 nm"})
    yield Case(
        "DeltaVision truncated", partial(_cut, write=partial(_dv, pixels=single), name="a.dv"), refused="truncated"
    )


def _dv(folder: Path, pixels: Any, sequence: int = 0, **more: Any) -> None:
    write_dv(folder / "a.dv", pixels, sequence, (UM, UM, 2.0), **more)


def _metamorph_and_opera() -> Iterator[Case]:
    movie = stack("TYX", counts=POSITIONS)
    yield Case("STK in time", partial(_stk, planes=movie, apart=0.0, times=(0, 60, 120)), POSITIONS, 0.645)
    asked = {"plane": {"Z": 2}}
    yield Case("STK in depth", partial(_stk, planes=movie, apart=1.5, times=(0, 0, 0)), (12,), 0.645, options=asked)
    pages = np.concatenate([stack("CYX", counts=(n,)) for n in POSITIONS])
    names = [f"{number}_Cam{channel}" for number in (1, 2, 3) for channel in (1, 2)]
    flex = partial(_flex, pages=pages, names=names, fields=3)
    yield Case("FLEX of three fields", flex, POSITIONS, UM, two("Cam1", "Cam2"), options={"channel": "Cam1"})
    third = {"channel": "Cam1", "series": 2}
    yield Case("FLEX field 2", flex, (12,), UM, two("Cam1", "Cam2"), options=third)
    depth = partial(_flex, pages=np.stack([field(8)] * 3), names=["1_Cam1"] * 3, planes=3)
    yield Case("FLEX in depth", depth, (8,), UM, {"Cam1": bright()}, options={"plane": {"Z": 1}})


def _stk(folder: Path, planes: Any, apart: float, times: Sequence[float]) -> None:
    write_stk(folder / "a.stk", planes, "um", apart, times)


def _flex(folder: Path, pages: Any, names: Sequence[str], **more: Any) -> None:
    write_flex(folder / "001002000.flex", pages, names, f"{METRES:.4e}", **more)
