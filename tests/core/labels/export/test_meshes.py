"""Surfaces of nuclei in three dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.export import meshes
from napari_unet_nuclei.core.labels.export.meshes import write_meshes


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius: float, spacing: float = 1.0) -> np.ndarray:
    places = np.ogrid[tuple(slice(size) for size in shape)]
    steps = (spacing, 1.0, 1.0)
    away = sum(((along - middle) * step) ** 2 for along, middle, step in zip(places, centre, steps, strict=True))
    return away < radius**2


def read(path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Corners (x, y, z) and triangles of every object of an OBJ file."""
    found, corners = {}, []
    for line in path.read_text().splitlines():
        kind, *values = line.split()
        if kind == "o":
            faces: list[list[int]] = []
            found[values[0]] = faces
        elif kind == "v":
            corners.append([float(value) for value in values])
        elif kind == "f":
            faces.append([int(value) - 1 for value in values])
    return {name: (np.array(corners), np.array(faces)) for name, faces in found.items()}


def volume(corners: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (corners[faces[:, place]] for place in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
def test_surfaces_are_closed_turn_outwards_and_enclose_the_nucleus_where_it_lies(tmp_path, spacing):
    shape = (round(36 / spacing), 36, 40)
    labels = 7 * ball(shape, (18 / spacing, 15, 20), 9, spacing).astype(np.uint16)
    labels[0, :3, :3] = 3
    count = write_meshes(tmp_path / "a.obj", labels, pixel_size_z=0.5 * spacing, pixel_size_y=0.5, pixel_size_x=0.5)
    assert count == 2
    found = read(tmp_path / "a.obj")
    assert list(found) == ["nucleus_3", "nucleus_7"]
    corners, faces = found["nucleus_7"]
    edges = {tuple(edge) for face in faces.tolist() for edge in zip(face, face[1:] + face[:1], strict=True)}
    assert edges == {(b, a) for a, b in edges}, "every edge has a triangle on either side"
    assert volume(corners, faces) == pytest.approx(4 / 3 * np.pi * 4.5**3, rel=0.03)
    assert corners[np.unique(faces)].mean(axis=0) == pytest.approx((10, 7.5, 9), abs=0.1)


def test_stacks_over_time_are_told_apart_and_large_nuclei_are_coarser(tmp_path, monkeypatch):
    one = ball((20, 30, 30), (10, 15, 15), 8)
    labels = np.stack([one, one, np.zeros_like(one)]).astype(np.int32)
    assert write_meshes(tmp_path / "a.obj", labels, axes="TZYX") == 2
    fine = read(tmp_path / "a.obj")
    assert list(fine) == ["t0_nucleus_1", "t1_nucleus_1"]
    monkeypatch.setattr(meshes, "MOST_FACES", 500)
    write_meshes(tmp_path / "a.obj", labels, axes="TZYX")
    assert len(read(tmp_path / "a.obj")["t0_nucleus_1"][1]) < 600 < len(fine["t0_nucleus_1"][1])


def test_a_plane_has_no_surfaces(tmp_path):
    with pytest.raises(ImageShapeError, match="no stack"):
        write_meshes(tmp_path / "a.obj", np.ones((4, 4), int), axes="YX")
    assert not list(tmp_path.iterdir())
