"""Tables as Parquet, from their CSV files, piece by piece; takes the package pyarrow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from napari_unet_nuclei.core.files.atomic import atomic

ROWS = 100_000
"""Rows that are held in memory."""


def write_parquet(path: Path, table: Path) -> None:
    """Write a CSV table as Parquet.

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    with pd.read_csv(table, chunksize=ROWS) as pieces, atomic(path) as partial:
        first = pyarrow.Table.from_pandas(next(pieces), preserve_index=False)
        with parquet.ParquetWriter(partial, first.schema) as writer:
            writer.write_table(first)
            for piece in pieces:
                writer.write_table(pyarrow.Table.from_pandas(piece, schema=first.schema, preserve_index=False))
