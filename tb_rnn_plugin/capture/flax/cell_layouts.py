"""The recurrent cells of Flax: their gates, and the dense layers that hold their weights."""

import dataclasses
from typing import Any

from flax import nnx

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture.flax.layers import Module, Path

_KERNEL, _BIAS = "kernel", "bias"


@dataclasses.dataclass(frozen=True)
class CellLayout:
    """A cell of Flax.

    Where a matrix has several dense layers, each holds one gate, in the order of `gates`.

    Attributes:
        cell_class: Its class.
        cell: "lstm", "gru" or "rnn".
        kernel: The dense layers of which the kernels make its kernel.
        recurrent_kernel: The same of its recurrent kernel.
        bias: The dense layers of which the biases make its bias.
    """

    cell_class: Any
    cell: str
    kernel: tuple[str, ...]
    recurrent_kernel: tuple[str, ...]
    bias: tuple[str, ...]

    @property
    def gates(self) -> tuple[str, ...]:
        """In the order of the blocks of its weights."""
        return cells.FLAX_GATES[self.cell]

    def parameters(self) -> dict[str, tuple[Path, ...]]:
        """Matrix name to the paths in nnx.RNN of the parameters that form it."""
        return {
            record.KERNEL: tuple(("cell", dense, _KERNEL) for dense in self.kernel),
            record.RECURRENT_KERNEL: tuple(("cell", dense, _KERNEL) for dense in self.recurrent_kernel),
            record.BIAS: tuple(("cell", dense, _BIAS) for dense in self.bias),
        }


_LAYOUTS = (
    CellLayout(nnx.LSTMCell, "lstm", ("ii", "if_", "ig", "io"), ("hi", "hf", "hg", "ho"), ("hi", "hf", "hg", "ho")),
    CellLayout(nnx.OptimizedLSTMCell, "lstm", ("dense_i",), ("dense_h",), ("dense_h",)),
    CellLayout(nnx.GRUCell, "gru", ("dense_i",), ("dense_h",), ("dense_i",)),
    CellLayout(nnx.SimpleCell, "rnn", ("dense_i",), ("dense_h",), ("dense_i",)),
)


def layout_of(cell: Module) -> CellLayout | None:
    """The layout of a cell that computes exactly what Flax's own does, whatever its class; else None."""
    for layout in _LAYOUTS:
        if isinstance(cell, layout.cell_class) and type(cell).__call__ is layout.cell_class.__call__:
            dense = {*layout.kernel, *layout.recurrent_kernel}
            if all(type(getattr(cell, name, None)) is nnx.Linear for name in dense):
                return layout
    return None
