"""How the cells of PyTorch's recurrent layers are made, as far as something can be computed from what taps recorded."""

from collections.abc import Mapping

from torch import nn

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture.torch.layers import Layer, RecurrentLayer
from tb_rnn_plugin.recurrence.half import Traits


def traits(layer: Layer) -> Mapping[str, Traits]:
    """Direction to how its cell was made; empty for a layer that isn't recurrent.

    torch.nn documents the equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html, and those of
    GRU, whose reset gate comes after the product, and RNN.
    """
    if not isinstance(layer, RecurrentLayer):
        return {}
    module: nn.Module = layer.module
    return {
        direction: Traits(
            cell=layer.cell,
            gates=layer.gates,
            activation=str(getattr(module, "nonlinearity", "tanh")),
            input_reversed=direction == cells.BACKWARD,
            output_reversed=direction == cells.BACKWARD,
            padded=True,
        )
        for direction in layer.directions
    }
