"""How an array is laid out in an answer: its channels in order, a half reflected, a region cut out of it, and pooled.

    array → order the columns → reflect → cut out the region → pool

A place is where a column stands once the columns are in order. Columns before and from `split` on are two halves, the
directions of a layer: no step of this way takes a column from one to the other, and no pooled cell holds some of both.
"""

import dataclasses

import numpy as np

from tb_rnn_plugin.encoding import DType
from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.channel_order import ChannelOrder, Measure
from tb_rnn_plugin.serving.magnitudes import magnitude_sums
from tb_rnn_plugin.serving.pooling import block_length, pool
from tb_rnn_plugin.statistics.row_sums import column_squares

_LARGEST = float(np.finfo(np.float32).max)


class EmptyRegionError(LookupError):
    """The region asked for lies outside the array."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How arrays are to be answered; None: as they are.

    Attributes:
        max_rows: Pool down to at most so many rows.
        max_columns: Pool down to at most so many columns.
        dtype: The type on the wire.
        first_row: Where the region begins.
        rows: How long it is; beyond the array's end there is nothing.
        first_column: As a place.
        columns: How many places.
        split: The place at which the second half begins.
        reflect: Whether the rows of the second half run backwards.
        order: By what the columns are ordered.
        order_sample: Whose order it is.
    """

    max_rows: int | None = None
    max_columns: int | None = None
    dtype: DType = "float32"
    first_row: int = 0
    rows: int | None = None
    first_column: int = 0
    columns: int | None = None
    split: int | None = None
    reflect: bool = False
    order: Measure | None = None
    order_sample: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class LaidOut:
    """A part of an array, ready to be sent.

    Attributes:
        cells: (rows, columns) after pooling.
        row_block: Rows of the array that one row of `cells` stands for; the last may stand for fewer.
        column_block: The same for columns, of each half.
        region: First row, rows, first place and places of the region, as far as the array reaches.
        channels: The columns of the array that stand at the region's places; None when they are in order.
    """

    cells: FloatArray
    row_block: int
    column_block: int
    region: tuple[int, int, int, int]
    channels: ChannelOrder | None


def as_matrix(array: FloatArray) -> FloatArray:
    """Rows × columns of an array of any rank: a bias is one row, a convolution's kernel has a row for each input."""
    return array.reshape(-1, array.shape[-1])


def lay_out(array: FloatArray, layout: Layout, order: ChannelOrder | None = None) -> LaidOut:
    """The cells that are asked for of an array (rows, columns).

    Args:
        array: The whole of it.
        layout: What is asked for.
        order: The column for each place.

    Raises:
        EmptyRegionError: If none of the region lies within the array.
    """
    rows = _within(layout.first_row, layout.rows, array.shape[0], "rows")
    places = _within(layout.first_column, layout.columns, array.shape[1], "columns")
    halves = _halves(places, layout.split)
    row_block = block_length(_length(rows), layout.max_rows)
    column_block = _column_block(halves, layout.max_columns)
    pooled = []
    for half in halves:
        source = array[::-1] if _is_reflected(half, layout) else array
        cut = source[rows]
        pooled.append(pool(cut[:, half] if order is None else cut[:, order[half]], row_block, column_block))
    return LaidOut(
        cells=pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1),
        row_block=row_block,
        column_block=column_block,
        region=(rows.start, _length(rows), places.start, _length(places)),
        channels=None if order is None else order[places],
    )


def marginals(array: FloatArray, layout: Layout, laid_out: LaidOut, order: ChannelOrder | None = None) -> FloatArray:
    """Mean magnitudes along the sides of what was laid out; NaN where nothing is finite.

    They are means over the whole array, however small the region: of each of the region's rows over all columns of a
    half, then of each of its columns over all rows. A pooled row's or column's mean is over all that it stands for.

    Returns:
        (halves·rows + columns,): the rows of each half that the region reaches, then the columns.
    """
    first_row, row_count, first_place, place_count = laid_out.region
    rows, places = slice(first_row, first_row + row_count), slice(first_place, first_place + place_count)
    by_place = magnitude_sums(array, axis=0)
    if order is not None:
        by_place = by_place.part(order)
    wholes = _halves(slice(0, array.shape[1]), layout.split)
    of_rows, of_columns = [], []
    for half in _halves(places, layout.split):
        whole = next(one for one in wholes if one.start <= half.start < one.stop or one == wholes[-1])
        source = array[::-1] if _is_reflected(half, layout) else array
        of_rows.append(magnitude_sums(source[rows, whole], axis=1).means(laid_out.row_block))
        of_columns.append(by_place.part(half).means(laid_out.column_block))
    return np.concatenate([*of_rows, *of_columns])


def channel_norms(array: FloatArray, layout: Layout, laid_out: LaidOut) -> tuple[FloatArray, float | None]:
    """L2 norms of the columns of a matrix that was laid out; NaN for one that is not all finite.

    They are over all rows, however small the region. A pooled column has the largest norm of all that it stands for.

    Returns:
        (columns,), and the largest norm of all columns of the array that have one; None when none has.
    """
    _, _, first_place, place_count = laid_out.region
    norms = np.sqrt(column_squares(array))
    norms = np.where(np.isfinite(norms), np.minimum(norms, _LARGEST), np.nan)
    block = laid_out.column_block
    pooled = [
        np.maximum.reduceat(norms[half], np.arange(0, _length(half), block))  # NaN is larger than any norm
        for half in _halves(slice(first_place, first_place + place_count), layout.split)
    ]
    finite = norms[np.isfinite(norms)]
    return np.concatenate(pooled).astype(np.float32), float(np.float32(finite.max())) if finite.size else None


def _within(first: int, count: int | None, length: int, what: str) -> slice:
    if first >= length > 0:
        raise EmptyRegionError(f"there are no {what} from {first} on: there are {length}.")
    return slice(first, length if count is None else min(length, first + count))


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _halves(places: slice, split: int | None) -> list[slice]:
    """The places on either side of the split: one or two slices, none of them empty unless there are no places."""
    if split is None or not places.start < split < places.stop:
        return [places]
    return [slice(places.start, split), slice(split, places.stop)]


def _is_reflected(half: slice, layout: Layout) -> bool:
    return layout.reflect and layout.split is not None and half.start >= layout.split


def _column_block(halves: list[slice], most: int | None) -> int:
    """How many columns one pooled column stands for, so that at most `most` are left of all halves together."""
    lengths = [_length(half) for half in halves]
    block = block_length(sum(lengths), most)
    # Each half has at least one column, even where one is all that was asked for.
    while most is not None and block < max(lengths) and sum(-(-length // block) for length in lengths) > most:
        block += 1
    return block
