"""Regions, reflection, order and pooling together, against cells picked out one by one."""

import itertools
import math

import numpy as np
import pytest

from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.serving.array_layout import EmptyRegionError, Layout, as_matrix, channel_norms, lay_out, marginals
from tests.test_magnitudes import mean_magnitude
from tests.test_pooling import brute_force

ROWS, COLUMNS, SPLIT = 13, 10, 4


def values() -> FloatArray:
    array = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    array[3, 2] = np.nan
    array[8, 7] = -np.inf
    return array


def cell_by_cell(array: FloatArray, layout: Layout, order: list[int]) -> FloatArray:
    """The region before pooling."""
    last_row = ROWS if layout.rows is None else min(ROWS, layout.first_row + layout.rows)
    last_column = COLUMNS if layout.columns is None else min(COLUMNS, layout.first_column + layout.columns)
    cells = np.empty((last_row - layout.first_row, last_column - layout.first_column), np.float32)
    for row, place in np.ndindex(*cells.shape):
        place_there = layout.first_column + place
        turned = layout.reflect and layout.split is not None and place_there >= layout.split
        row_there = layout.first_row + row
        cells[row, place] = array[ROWS - 1 - row_there if turned else row_there, order[place_there]]
    return cells


REGIONS = [(0, None, 0, None), (2, 7, 1, 5), (0, 1, 3, 1), (5, 99, 0, 4), (1, 6, 5, 99), (0, None, 4, None)]
ORDERS = [list(range(COLUMNS)), [3, 1, 0, 2, 9, 8, 4, 5, 7, 6]]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("split", "reflect"), [(None, False), (SPLIT, False), (SPLIT, True), (99, True)])
@pytest.mark.parametrize("most", [(None, None), (4, 3), (1, 1), (100, 100)])
def test_against_cells_one_by_one(
    region: tuple[int, int | None, int, int | None],
    split: int | None,
    reflect: bool,
    most: tuple[int | None, int | None],
) -> None:
    array = values()
    for order in ORDERS:
        layout = Layout(*most, "float32", *region, split=split, reflect=reflect)
        found = lay_out(array, layout, None if order == sorted(order) else np.array(order))
        first_row, rows, first_column, columns = found.region
        cells = cell_by_cell(array, layout, order)
        assert (first_row, first_column) == (layout.first_row, layout.first_column)
        assert (rows, columns) == cells.shape
        parts = [cells]
        if split is not None and first_column < split < first_column + columns:
            parts = np.split(cells, [split - first_column], axis=1)
        pooled = [brute_force(part, found.row_block, found.column_block) for part in parts]
        assert np.array_equal(found.cells, np.concatenate(pooled, axis=1), equal_nan=True)
        assert found.cells.shape[0] <= (most[0] or ROWS)
        assert found.cells.shape[1] <= max(most[1] or COLUMNS, len(parts))
        if found.channels is not None:
            assert found.channels.tolist() == order[first_column : first_column + columns]


def test_no_more_is_pooled_than_has_to_be() -> None:
    for first, count, most in itertools.product(range(6), range(1, 5), range(2, 8)):
        layout = Layout(max_columns=most, first_column=first, columns=count, split=SPLIT)
        if count <= most:
            assert lay_out(values(), layout).column_block == 1


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("split", "reflect"), [(None, False), (SPLIT, False), (SPLIT, True)])
@pytest.mark.parametrize("most", [(None, None), (4, 3)])
def test_mean_magnitudes_are_those_of_the_whole_array(
    region: tuple[int, int | None, int, int | None],
    split: int | None,
    reflect: bool,
    most: tuple[int | None, int | None],
) -> None:
    array = values()
    order = ORDERS[1]
    layout = Layout(*most, "float32", *region, split=split, reflect=reflect)
    found = lay_out(array, layout, np.array(order))
    first_row, rows, first_column, columns = found.region
    everything = cell_by_cell(array, Layout(split=split, reflect=reflect), order)
    halves = [slice(0, COLUMNS)] if split is None else [slice(0, split), slice(split, COLUMNS)]
    expected = []
    for half in halves:
        if half.start < first_column + columns and first_column < half.stop:
            for row in range(first_row, first_row + rows, found.row_block):
                last = min(first_row + rows, row + found.row_block)
                expected.append(mean_magnitude(everything[row:last, half].ravel().tolist()))
    for half in halves:
        first, last = max(half.start, first_column), min(half.stop, first_column + columns)
        blocks = [(place, min(last, place + found.column_block)) for place in range(first, last, found.column_block)]
        expected += [mean_magnitude(everything[:, start:end].ravel().tolist()) for start, end in blocks]
    assert marginals(array, layout, found, np.array(order)) == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("split", [None, SPLIT])
@pytest.mark.parametrize("most", [None, 3, 1])
def test_norms_of_channels_are_those_of_the_whole_columns(
    region: tuple[int, int | None, int, int | None], split: int | None, most: int | None
) -> None:
    array = values()
    layout = Layout(None, most, "float32", *region, split=split)
    found = lay_out(array, layout)
    norms, largest = channel_norms(array, layout, found)
    _, _, first, count = found.region
    by_column = [math.sqrt(sum(float(cell) ** 2 for cell in array[:, column])) for column in range(COLUMNS)]
    ends = (
        [first, first + count] if split is None or not first < split < first + count else [first, split, first + count]
    )
    expected = []
    for start, stop in itertools.pairwise(ends):
        for column in range(start, stop, found.column_block):
            block = by_column[column : min(stop, column + found.column_block)]
            expected.append(max(block) if all(map(math.isfinite, block)) else math.nan)
    assert len(expected) == found.cells.shape[1]
    assert norms == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert largest == pytest.approx(max(norm for norm in by_column if math.isfinite(norm)), rel=1e-6)


def test_norms_of_channels_that_float32_has_no_room_for() -> None:
    array = np.array([[3e38, 1e-30, np.inf], [3e38, 1e-30, 1]], np.float32)
    norms, largest = channel_norms(array, Layout(), lay_out(array, Layout()))
    assert norms[:2] == pytest.approx([np.finfo(np.float32).max, math.sqrt(2) * 1e-30], rel=1e-6)
    assert np.isnan(norms[2])
    assert largest == pytest.approx(float(np.finfo(np.float32).max))
    nothing = np.full((2, 2), np.nan, np.float32)
    assert channel_norms(nothing, Layout(), lay_out(nothing, Layout()))[1] is None


@pytest.mark.parametrize("layout", [Layout(first_row=ROWS), Layout(first_column=COLUMNS, columns=3)])
def test_a_region_beyond_the_array(layout: Layout) -> None:
    with pytest.raises(EmptyRegionError, match=r"there are 1[03]\."):
        lay_out(values(), layout)


def test_an_array_of_nothing() -> None:
    for shape in ((0, 4), (4, 0), (0, 0)):
        found = lay_out(np.zeros(shape, np.float32), Layout(max_rows=5, max_columns=5))
        assert found.cells.shape == shape


def test_rows_of_an_array_of_any_rank() -> None:
    assert as_matrix(np.zeros(4, np.float32)).shape == (1, 4)
    assert as_matrix(np.zeros((3, 3, 2, 8), np.float32)).shape == (18, 8)
