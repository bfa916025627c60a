"""What stands in a Parquet table that somebody else made? Named columns, as numbers or as text, and nothing else of it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reticent.errors import FormatError, StateError
from reticent.records.files import open_regular

MAX_ROWS = 10_000_000
MAX_TABLE_BYTES = 2**30  # unpacked

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class Text:
    """A column of text: `values[codes[row]]`, or nothing where the code is -1."""

    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """numbers: NaN where nothing stands. rows: how many each column has."""

    numbers: dict[str, Numbers]
    texts: dict[str, Text]
    rows: int


def read_table(path: Path, *, numbers: Iterable[str], texts: Iterable[str]) -> Table:
    """Raises StateError for a file that can't be opened or a missing pyarrow, FormatError for one that isn't such a table."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise StateError(
            "reading tables needs the package pyarrow: pip install 'reticent[research]'; nothing was read"
        ) from None

    with os.fdopen(open_regular(path, what="table"), "rb") as file:
        try:
            metadata = pq.read_metadata(file)
            _check_size(path, metadata)
            for name in (*numbers, *texts):
                if name not in metadata.schema.names:
                    raise FormatError(f"{path} has no column {name}; nothing was written")
            found = pq.ParquetFile(file, read_dictionary=list(texts))  # a text that repeats is held once
            read = found.read(columns=[*numbers, *texts])
            read.validate(full=True)  # or a code may name no text
            return Table(
                {name: _numbers(read.column(name)) for name in numbers},
                {name: _text(read.column(name)) for name in texts},
                read.num_rows,
            )
        except (pa.ArrowException, OSError, ValueError, MemoryError):
            raise FormatError(f"{path} is no Parquet table with columns of such types; nothing was written") from None


def _check_size(path: Path, metadata: Any) -> None:
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if metadata.num_rows > MAX_ROWS or unpacked > MAX_TABLE_BYTES:
        raise FormatError(
            f"{path} has more than {MAX_ROWS:,} rows or {MAX_TABLE_BYTES:,} unpacked bytes; nothing was written"
        )


def _numbers(column: Any) -> Numbers:
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise pa.ArrowInvalid("not numbers")
    values: Numbers = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def _text(column: Any) -> Text:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if not (pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type)):
        raise pa.ArrowInvalid("not text")
    encoded = column.unify_dictionaries().combine_chunks()
    if encoded.dictionary.null_count:
        raise pa.ArrowInvalid("a text that is none")
    codes: Codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Text(codes, tuple(encoded.dictionary.to_pylist()))
