"""What a recurrent layer of Keras is made of: its directions, its cells, and what its output tells of them."""

from collections.abc import Mapping
from typing import Any

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture import cudnn_weights
from tb_rnn_plugin.capture.keras.recorded_layer import Layer, keras_of
from tb_rnn_plugin.capture.keras.recurrent_layer import RecurrentLayer


def is_recurrent(layer: Layer) -> bool:
    """Whether it is an RNN, a Bidirectional, or a TimeDistributed around one."""
    _, inner = _unwrapped(layer)
    layers = keras_of(inner).layers
    return isinstance(inner, layers.RNN | layers.Bidirectional)


def is_cell(layer: Layer) -> bool:
    """Whether it is a cell of Keras, which a recurrent layer calls timestep by timestep."""
    layers = keras_of(layer).layers
    return isinstance(layer, layers.LSTMCell | layers.GRUCell | layers.SimpleRNNCell | layers.StackedRNNCells)


def recurrent_layers(path: str, layer: Layer) -> tuple[list[RecurrentLayer], str]:
    """What is recorded of a recurrent layer: a record for each of its cells, from the input up.

    Directions of one cell and width are one record. Others are two, named after the layers that run in them.

    Args:
        path: The layer's path in the model.
        layer: One for which `is_recurrent` holds.

    Returns:
        The layers to be recorded, and the reason why their sequences are left out, or "".
    """
    frames, inner = _unwrapped(layer)
    halves, merge_mode = {cells.FORWARD: inner}, "concat"
    if isinstance(inner, keras_of(inner).layers.Bidirectional):
        halves = {cells.FORWARD: inner.forward_layer, cells.BACKWARD: inner.backward_layer}
        merge_mode = inner.merge_mode
    of_one_kind = all(_facts(half) == _facts(halves[cells.FORWARD]) for half in halves.values())
    if of_one_kind:
        # What is added or multiplied can't be taken apart again: then the directions are tapped, not their merger.
        tapped = (inner,) if merge_mode == "concat" else tuple(halves.values())
        pieces = [(path, halves, tapped, False)]
    else:
        pieces = [
            (f"{path}/{half.name}", {direction: half}, (half,), direction == cells.BACKWARD)
            for direction, half in halves.items()
        ]
    # How TimeDistributed calls what is in it is its own affair: a loop, or a vectorised map that no tap can be in.
    is_told_apart = not frames or (of_one_kind and merge_mode == "concat")
    made = [
        one
        for name, of_piece, tapped, backwards in pieces
        for one in _of_cells(
            name,
            of_piece,
            tapped=(layer,) if frames else tapped,
            frames=frames,
            has_output=is_told_apart,
            backwards=backwards,
        )
    ]
    reason = "inside TimeDistributed its directions can't be told apart; only their weights are recorded"
    return made, "" if is_told_apart else reason


def _unwrapped(layer: Layer) -> tuple[int, Layer]:
    """How many TimeDistributed there are around a layer, and the layer."""
    frames = 0
    while isinstance(layer, keras_of(layer).layers.TimeDistributed):
        frames += 1
        layer = layer.layer
    return frames, layer


def _of_cells(path: str, halves: Mapping[str, Layer], *, has_output: bool, **common: Any) -> list[RecurrentLayer]:
    """The records of the cells of a layer, which are the same in all of its directions."""
    by_direction = {direction: _cells(half) for direction, half in halves.items()}
    half = next(iter(halves.values()))
    stack = next(iter(by_direction.values()))
    known = all(_kind(half, cell) is not None for cell in stack)
    made = []
    first_state = 0
    for index, cell in enumerate(stack):
        states = first_state + len(_state_sizes(cell))
        of_cell = slice(first_state, states) if len(stack) > 1 else slice(None)
        first_state = states
        made.append(
            RecurrentLayer(
                name=f"{path}/cell_{index}" if _is_stack(half) else path,
                cell=_kind(half, cell),
                units=_units(half, cell),
                halves=halves,
                holders={direction: of_direction[index] for direction, of_direction in by_direction.items()},
                has_output=has_output and index == len(stack) - 1,
                states=of_cell if known else None,
                data_format=half.data_format if _is_convolutional(half) else None,
                **common,
            )
        )
    return made


def _is_stack(half: Layer) -> bool:
    return isinstance(getattr(half, "cell", None), keras_of(half).layers.StackedRNNCells)


def _is_convolutional(half: Layer) -> bool:
    layers = keras_of(half).layers
    return isinstance(half, layers.ConvLSTM1D | layers.ConvLSTM2D | layers.ConvLSTM3D)


def _cells(half: Layer) -> list[Layer]:
    """What holds the weights of a layer that runs in one direction: its cells, or itself where it has none."""
    cell = getattr(half, "cell", None)
    if not isinstance(cell, keras_of(half).layers.Layer):
        return [half]
    return _flat(cell)


def _flat(cell: Layer) -> list[Layer]:
    if isinstance(cell, keras_of(cell).layers.StackedRNNCells):
        return [inner for stacked in cell.cells for inner in _flat(stacked)]
    return [cell]


def _kind(half: Layer, cell: Layer) -> str | None:
    layers = keras_of(half).layers
    kinds = {"lstm": layers.LSTMCell, "gru": layers.GRUCell, "rnn": layers.SimpleRNNCell}
    if _is_convolutional(half):
        return "lstm"
    return next((kind for kind, of in kinds.items() if isinstance(cell, of)), None) or cudnn_weights.cell(half)


def _units(half: Layer, cell: Layer) -> int | None:
    """The width of a cell's output: of a custom one, that of its first state, if the output is as wide as that."""
    if _is_convolutional(half):
        return int(half.filters)
    if _kind(half, cell) is not None:
        return int(cell.units)
    state = next(iter(_state_sizes(cell)), None)
    output = getattr(cell, "output_size", None)
    return state if isinstance(state, int) and output in {None, state} else None


def _state_sizes(cell: Layer) -> list[Any]:
    sizes = getattr(cell, "state_size", ())
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def _facts(half: Layer) -> list[object]:
    """What has to be the same in both directions for them to be one record."""
    names = ("kernel_size", "strides", "padding", "dilation_rate", "data_format") if _is_convolutional(half) else ()
    facts: list[object] = [_is_stack(half), *(getattr(half, name) for name in names)]
    for cell in _cells(half):
        kind = _kind(half, cell)
        custom = (type(cell), _state_sizes(cell), getattr(cell, "output_size", None)) if kind is None else None
        facts.append((kind, _units(half, cell), custom))
    return facts
