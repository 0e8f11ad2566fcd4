"""What a benchmark gives: a table with a title and a sentence on how to read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Measured figures, formatted.

    Attributes
    ----------
    title : str
    heads : tuple of str
        Names of the columns, with units.
    rows : tuple of tuple of str
    note : str
        How it was measured, and what the aim is.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def markdown(self) -> str:
        """Return title, table and note as Markdown."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = [self._line(row, widths) for row in (self.heads, tuple("-" * width for width in widths), *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, "", self.note, ""])

    @staticmethod
    def _line(cells: tuple[str, ...], widths: list[int]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
