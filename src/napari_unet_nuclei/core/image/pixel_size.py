"""Pixel sizes in µm, and the units of length that microscopes write."""

from __future__ import annotations

from dataclasses import dataclass

_MICROMETRES = {
    "pm": 1e-6,
    "picometer": 1e-6,
    "å": 1e-4,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "in": 25400.0,
    "inch": 25400.0,
    "inches": 25400.0,
    '"': 25400.0,
    "m": 1e6,
    "meter": 1e6,
}


SMALLEST, LARGEST = 1e-6, 1e6
"""µm; a pixel smaller than an atom, or larger than a metre, is a damaged number."""


@dataclass(frozen=True)
class PixelSize:
    """Distance between neighbouring pixels.

    Attributes
    ----------
    y, x, z : float
        In µm; 0.0 if unknown.
    """

    y: float = 0.0
    x: float = 0.0
    z: float = 0.0

    @property
    def known(self) -> bool:
        """True if lengths and areas within a plane can be given in µm."""
        return self.y > 0 and self.x > 0


def micrometres(length: object, unit: str = "µm") -> float:
    r"""Convert a length, which may be a text, to µm; 0.0 if it is no sensible number or the unit is not a length.

    Units are as spelled in files: "µm" with either Unicode letter or ImageJ's escape sequence, "micron", "inch" and so
    on.

    Examples
    --------
    >>> micrometres(325, "nm"), micrometres("0.5", "microns"), micrometres(2, r"\u00B5m"), micrometres(1, "pixel")
    (0.325, 0.5, 2.0, 0.0)
    """
    # µ comes as ImageJ's escape sequence, as the micro sign or as the Greek letter.
    name = unit.strip().lower().replace("\\u00b5", "µ").replace("μ", "µ").replace("metre", "meter")
    factor = _MICROMETRES.get(name) or _MICROMETRES.get(name.removesuffix("s"), 0.0)
    try:
        value = float(length) * factor  # type: ignore[arg-type]  # whatever a file holds; anything but a number is unknown
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return value if SMALLEST <= value <= LARGEST else 0.0
