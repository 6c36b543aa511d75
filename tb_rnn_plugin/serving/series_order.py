"""The order in which a person meets the series of a run."""

from tb_rnn_plugin.quantity_names import (
    ACTIVATION,
    BPTT_GRADIENT,
    CELL_STATE,
    CELL_STATE_GRADIENT,
    INPUT_GRADIENT,
    OUTPUT_GRADIENT,
    REACH,
    reach_timestep,
)
from tb_rnn_plugin.record import MATRIX_QUANTITIES
from tb_rnn_plugin.rnn_data_pb2 import SeriesMetadata

# What is not named here comes after them.
_QUANTITIES = (
    ACTIVATION,
    OUTPUT_GRADIENT,
    BPTT_GRADIENT,
    CELL_STATE,
    CELL_STATE_GRADIENT,
    INPUT_GRADIENT,
    REACH,
    *MATRIX_QUANTITIES,
)


def series_order(series: SeriesMetadata) -> tuple[int, str, int, int, str]:
    """What to sort series by: layers in model order, and each layer's quantities in theirs."""
    timestep = reach_timestep(series.quantity)
    name = series.quantity if timestep is None else REACH
    rank = _QUANTITIES.index(name) if name in _QUANTITIES else len(_QUANTITIES)
    return series.layer.position, series.layer.name, rank, -1 if timestep is None else timestep, series.quantity
