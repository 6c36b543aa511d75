"""The binary answer of the arrays route, as http_api.md has it: what JSON says of each array, and its bytes."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tb_rnn_plugin.encoding import ArrayKey, to_bfloat16
from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.array_layout import Layout, as_matrix, channel_norms, lay_out, marginals
from tb_rnn_plugin.serving.channel_order import ChannelOrder
from tb_rnn_plugin.serving.framing import framed, padded
from tb_rnn_plugin.serving.magnitudes import finite_range
from tb_rnn_plugin.serving.query import KeptStep, SeriesKey


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array of an answer.

    Attributes:
        description: What JSON says of it, but for where its bytes are.
        cells: Its bytes.
        marginals: The bytes of a sequence's mean magnitudes; None for a matrix.
        channel_norms: The bytes of a matrix's norms; None for a sequence.
    """

    description: dict[str, Any]
    cells: bytes
    marginals: bytes | None
    channel_norms: bytes | None


def arrays_impl(
    series: SeriesKey,
    kept: KeptStep,
    key: ArrayKey,
    array: FloatArray,
    layout: Layout,
    order: ChannelOrder | None = None,
) -> Entry:
    """One array, laid out as it is asked for.

    Raises:
        EmptyRegionError: If none of the region lies within the array.
    """
    full = as_matrix(array)
    laid_out = lay_out(full, layout, order)
    cells = laid_out.cells
    first_row, rows, first_column, columns = laid_out.region
    payload = to_bfloat16(cells).astype("<u2") if layout.dtype == "bfloat16" else cells.astype("<f4", copy=False)
    description = {
        **dataclasses.asdict(series),
        "step": kept.step,
        "wall_time": kept.wall_time,
        **array_key_json(key),
        "shape": list(cells.shape),
        "full_shape": list(full.shape),
        "first_row": first_row,
        "rows": rows,
        "first_column": first_column,
        "columns": columns,
        "row_block": laid_out.row_block,
        "column_block": laid_out.column_block,
        "split": layout.split,
        "reflected": layout.reflect,
        "order": layout.order,
        "channels": None if laid_out.channels is None else laid_out.channels.tolist(),
        "dtype": layout.dtype,
        **dataclasses.asdict(finite_range(full)),
    }
    if not key.matrix:
        means = marginals(full, layout, laid_out, order)
        return Entry({**description, "largest_channel_norm": None}, payload.tobytes(), _float32_bytes(means), None)
    norms, largest = channel_norms(full, layout, laid_out)
    return Entry({**description, "largest_channel_norm": largest}, payload.tobytes(), None, _float32_bytes(norms))


def _float32_bytes(numbers: FloatArray) -> bytes:
    return numbers.astype("<f4", copy=False).tobytes()


def array_key_json(key: ArrayKey) -> dict[str, Any]:
    """A sample or a matrix, as JSON names it."""
    return {"sample": key.sample, "matrix": f"{key.direction}/{key.matrix}" if key.matrix else None}


def missing_json(series: SeriesKey, step: int, key: ArrayKey, reason: str) -> dict[str, Any]:
    """What can't be answered, and why."""
    return {**dataclasses.asdict(series), "step": step, **array_key_json(key), "reason": reason}


def packed(entries: Sequence[Entry], missing: Sequence[dict[str, Any]]) -> bytes:
    """The length of the JSON, the JSON, and the bytes that it names."""
    described: list[dict[str, Any]] = []
    payloads: list[bytes] = []
    offset = 0

    def place(payload: bytes) -> dict[str, int]:
        nonlocal offset
        placed = {"offset": offset, "bytes": len(payload)}
        payloads.append(padded(payload))
        offset += len(payloads[-1])
        return placed

    for entry in entries:
        cells = place(entry.cells)
        beside = {
            name: None if payload is None else place(payload)
            for name, payload in (("marginals", entry.marginals), ("channel_norms", entry.channel_norms))
        }
        described.append({**entry.description, **cells, **beside})
    return framed({"arrays": described, "missing": missing}, payloads)
