from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_unet_nuclei.core.image.io.read import read_header, read_image, read_label_image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (30, 40), np.uint8)
COLOURS = RNG.integers(0, 255, (30, 40, 3), np.uint8)

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Of PNG, by the number of samples."""


def write_deep_png(path: Path, values: np.ndarray, paeth: bool = False) -> None:
    """Write 16 bits a sample, which Pillow does not: rows without a filter or with the one of most programs."""
    height, width, samples = values.shape
    step, above, rows = 2 * samples, np.zeros(2 * samples * width, int), []
    for row in values.astype(">u2"):
        stored = np.frombuffer(row.tobytes(), np.uint8).astype(int)
        left, corner = (np.concatenate([np.zeros(step, int), line[:-step]]) for line in (stored, above))
        guess = left + above - corner
        far = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        nearest = np.choose(far.argmin(axis=0), [left, above, corner])
        rows.append(bytes([4 * paeth]) + ((stored - nearest * paeth) % 256).astype(np.uint8).tobytes())
        above = stored
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[samples], 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("paeth", [False, True])
def test_a_png_keeps_16_bits_of_every_sample(tmp_path: Path, samples: int, paeth: bool) -> None:
    values = RNG.integers(0, 1200, (30, 40, samples), np.uint16)  # a camera of 12 bits
    values[0, 0] = 0
    write_deep_png(tmp_path / "a.png", values, paeth)
    image = read_image(tmp_path / "a.png")
    assert image.array.dtype == np.uint16
    assert np.array_equal(image.array.reshape(values.shape), values)
    assert image.source().channels == {1: 1, 2: 2, 3: 3, 4: 4}[samples]
    assert read_header(image.path) == image.header


def test_opaque_grey_is_plain_grey(tmp_path: Path) -> None:
    values = np.dstack([GREY, np.full_like(GREY, 255)])
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png").array, GREY)


def test_transparent_pixels_are_no_picture(tmp_path: Path) -> None:
    opacity = np.full((30, 40, 1), 255, np.uint8)
    opacity[:10] = 0
    Image.fromarray(np.concatenate([COLOURS, opacity], axis=2)).save(tmp_path / "a.png")
    Image.fromarray(np.concatenate([GREY[..., None], opacity], axis=2)).save(tmp_path / "b.png")
    Image.fromarray(COLOURS).save(tmp_path / "c.png", transparency=tuple(COLOURS[0, 0].tolist()))
    for name, missing in (("a", 400), ("b", 400), ("c", 1)):
        assert np.isnan(read_image(tmp_path / f"{name}.png").source().read((), 0)).sum() == missing


@pytest.mark.parametrize("colours", [COLOURS, COLOURS[..., :1]])
def test_stains_are_channels_unless_the_axes_say_colours(tmp_path: Path, colours: np.ndarray) -> None:
    stains = np.dstack([colours, GREY])
    Image.fromarray(stains).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YXC"
    assert np.array_equal(image.array, stains)
    assert "read as channels" in image.guessed
    assert image.source("YXS").channels == colours.shape[2]
    assert not image.all_remarks("YXS")
    assert read_header(image.path) == image.header


def palette_picture(table: np.ndarray) -> Image.Image:
    picture = Image.fromarray(GREY, "P")
    picture.putpalette(table.astype(np.uint8).ravel().tolist())
    return picture


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_palettes_are_looked_up_unless_they_only_tint(tmp_path: Path, suffix: str) -> None:
    table = RNG.integers(0, 255, (256, 3), np.uint8)
    palette_picture(table).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(read_image(tmp_path / f"a.{suffix}").array, table[GREY])
    ramp = np.arange(256)[:, None]
    palette_picture(ramp * [0, 1, 0]).save(tmp_path / f"green.{suffix}", optimize=False)
    palette_picture(255 - ramp * [1, 1, 1]).save(tmp_path / f"falling.{suffix}", optimize=False)
    assert np.array_equal(read_image(tmp_path / f"green.{suffix}").array, GREY)
    assert np.array_equal(read_image(tmp_path / f"falling.{suffix}").array, 255 - GREY)


def test_a_palette_of_labels_is_ids(tmp_path: Path) -> None:
    palette_picture(RNG.integers(0, 255, (256, 3), np.uint8)).save(tmp_path / "a.png")
    assert np.array_equal(read_label_image(tmp_path / "a.png").array, GREY)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
@pytest.mark.parametrize("coloured", [False, True])
def test_frames_are_a_series_in_time(tmp_path: Path, suffix: str, coloured: bool) -> None:
    first = np.repeat(np.repeat(GREY[:3, :4] // 8 * 8, 10, axis=0), 10, axis=1)
    frames = [np.roll(first, 10 * shift, axis=1) for shift in range(3)]
    if coloured:
        frames = [np.dstack([frame, frame // 2, frame // 4]) for frame in frames]
    pictures = [Image.fromarray(frame) for frame in frames]
    lossless = {"lossless": True} if suffix == "webp" else {}
    pictures[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pictures[1:], **lossless)
    source = read_image(tmp_path / f"a.{suffix}").source()
    assert (source.leading_axes, source.leading_shape) == ("T", (3,))
    for time, frame in enumerate(frames):
        wanted = frame[..., 0] if coloured else frame
        np.testing.assert_allclose(source.read((time,), 0), wanted, atol=8 if suffix == "gif" else 0)


@pytest.mark.parametrize(("name", "kind"), [("a.jp2", "JPEG2000"), ("a.webp", "WEBP"), ("a.gif", "GIF")])
def test_other_pictures(tmp_path: Path, name: str, kind: str) -> None:
    Image.fromarray(COLOURS // 64 * 64).save(tmp_path / name, kind, **({"lossless": True} if kind == "WEBP" else {}))
    image = read_image(tmp_path / name)
    assert (image.axes, image.array.shape) == ("YXS", (30, 40, 3))
    np.testing.assert_allclose(image.array.astype(int), COLOURS // 64 * 64, atol=3)
