"""The layers of a Flax nnx model: which there are, what they are called, where their weights are.

Nothing here is traced: arrays have become numpy arrays before they come here.
"""

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from flax import nnx

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import layer_choice

# Flax's modules and JAX's arrays are Any here: what is asked of them differs from one version's types to the next.
Module: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]
Path: TypeAlias = tuple[str | int, ...]

FRAMEWORK = "flax"
_SEQUENCE_RANK = 3
_HIGHEST_WEIGHT_RANK = 5

_KERNEL, _BIAS = "kernel", "bias"
_LSTM_GATES = cells.FLAX_GATES["lstm"]
_GRU_GATES = cells.FLAX_GATES["gru"]


@dataclasses.dataclass(frozen=True)
class _CellLayout:
    """A cell of Flax: its gates in the order of their blocks, and the dense layers that hold the blocks.

    Where a matrix has several dense layers, each holds one gate.
    """

    cell: str
    gates: tuple[str, ...]
    kernel: tuple[str, ...]
    recurrent_kernel: tuple[str, ...]
    bias: tuple[str, ...]

    def parameters(self) -> dict[str, tuple[Path, ...]]:
        """Matrix name to the paths in nnx.RNN of the parameters that form it."""
        return {
            record.KERNEL: tuple(("cell", dense, _KERNEL) for dense in self.kernel),
            record.RECURRENT_KERNEL: tuple(("cell", dense, _KERNEL) for dense in self.recurrent_kernel),
            record.BIAS: tuple(("cell", dense, _BIAS) for dense in self.bias),
        }


_LAYOUTS: Mapping[Any, _CellLayout] = MappingProxyType(
    {
        nnx.LSTMCell: _CellLayout(
            "lstm", _LSTM_GATES, ("ii", "if_", "ig", "io"), ("hi", "hf", "hg", "ho"), ("hi", "hf", "hg", "ho")
        ),
        nnx.OptimizedLSTMCell: _CellLayout("lstm", _LSTM_GATES, ("dense_i",), ("dense_h",), ("dense_h",)),
        nnx.GRUCell: _CellLayout("gru", _GRU_GATES, ("dense_i",), ("dense_h",), ("dense_i",)),
        nnx.SimpleCell: _CellLayout("rnn", (), ("dense_i",), ("dense_h",), ("dense_i",)),
    }
)


@dataclasses.dataclass(frozen=True, eq=False)
class Half:
    """A module whose output is recorded: a layer, or one direction of it.

    Attributes:
        path: Where it is in the model.
        parameters: Matrix name to the paths, from this module on, of the parameters that joined along their last axis
            are the matrix.
        cell: "lstm", "gru", "rnn", or None for any other module.
        recurrent: Whether it is an nnx.RNN.
    """

    path: Path
    parameters: Mapping[str, tuple[Path, ...]]
    cell: str | None
    recurrent: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """One layer that can be recorded.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        cell: "lstm", "gru", "rnn", or None for any other layer.
        units: The width of one direction, if it has a cell.
        gates: In the order of the blocks of its weights.
        halves: Direction to the module that runs in that direction.
    """

    name: str
    cell: str | None
    units: int | None
    gates: tuple[str, ...]
    halves: Mapping[str, Half]


@dataclasses.dataclass(frozen=True)
class Call:
    """How a module was called: what has to be known to bring its output into input time.

    Attributes:
        recurrent: Whether it is an nnx.RNN; all else is about these.
        time_major: Whether time is the first axis of what it returns.
        turned_back: Whether it ran backwards and returned its output in input time.
        flipped: Whether the output, as the scan over time made it, has to be turned around.
        last_first: Whether the last state belongs to the first timestep of the input.
    """

    recurrent: bool
    time_major: bool = False
    turned_back: bool = False
    flipped: bool = False
    last_first: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """What one call of one module left behind.

    Attributes:
        call: How it was called.
        output: Of an nnx.RNN as the scan over time made it: (timesteps, …, channels).
        gradient: Of the output.
        state_gradient: Of the last hidden state, where that was returned.
        lengths: Of the sequences, where they were given.
        weights: Matrix name to the arrays that form it.
    """

    call: Call
    output: Any
    gradient: Any
    state_gradient: Any = None
    lengths: Any = None
    weights: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def sequences(self) -> dict[str, Array]:
        """Activation and output gradient, (samples, timesteps, channels), in input time."""
        output, gradient = self._in_time(self.output), self._in_time(self.gradient)
        if self.state_gradient is not None:
            # h_T is y_T: the gradient of the last hidden state, where it is returned, belongs to the output of that
            # step. Without it an encoder of which only the state is used would seem to get no gradient at all.
            samples = np.arange(len(gradient))
            last = 0 if self.call.last_first else self._lengths(gradient) - 1
            state_gradient = np.asarray(self.state_gradient, np.float32)
            gradient[samples, last] += state_gradient.reshape(len(gradient), -1)
        return {"activation": output, "output_gradient": gradient}

    def _in_time(self, values: Any) -> Array:  # an array of JAX
        array = np.array(values, np.float32)
        if not self.call.recurrent:
            return array if array.ndim == _SEQUENCE_RANK else array[:, None, :]
        array = np.moveaxis(array, 0, -2)
        array = array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])
        if self.call.flipped:
            # Padding stays at the end: only what comes before it is turned around, as in Flax's flip_sequences.
            timesteps = array.shape[1]
            order = (np.arange(timesteps)[::-1] + self._lengths(array)[:, None]) % timesteps
            array = np.take_along_axis(array, order[:, :, None], axis=1)
        return array

    def _lengths(self, array: Array) -> Array:
        if self.lengths is None:
            return np.full(len(array), array.shape[1])
        return np.asarray(self.lengths).reshape(-1)


#: (direction, call) of one layer to what it left behind.
Parts: TypeAlias = Mapping[tuple[str, int], Part]


def records(
    layers: Sequence[tuple[Layer, Parts, Mapping[str, Mapping[str, Sequence[Any]]]]],
) -> Iterator[record.LayerRecord]:
    """A record for each call of each layer.

    Args:
        layers: Each with its parts, and direction to matrix name to the arrays that form the gradient of the weights,
            which belong to the layer and so to the record of its first call, as do the weights.

    Raises:
        ValueError: If arrays don't fit together.
    """
    for layer, parts, gradients in layers:
        calls = sorted({call for _, call in parts})
        whole = [call for call in calls if all((direction, call) in parts for direction in layer.halves)]
        for index, call in enumerate(whole):
            halves = {direction: parts[direction, call] for direction in layer.halves}
            by_half = [half.sequences() for half in halves.values()]
            sequences = {
                quantity: np.concatenate([of_half[quantity] for of_half in by_half], axis=-1)
                if len(by_half) > 1
                else array
                for quantity, array in by_half[0].items()
            }
            yield record.LayerRecord(
                f"{layer.name}/call_{index}" if index else layer.name,
                cell=layer.cell,
                units=layer.units,
                directions=tuple(layer.halves),
                gates=layer.gates,
                sequences={quantity: _read_only(array) for quantity, array in sequences.items()},
                weights={} if index else _matrices(layer, {d: half.weights for d, half in halves.items()}),
                weight_gradients={} if index else _matrices(layer, gradients),
                framework=FRAMEWORK,
            )


def _matrices(layer: Layer, by_direction: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, dict[str, Array]]:
    """The blocks of each matrix joined; in the layer's order, since JAX sorts by name what travels through it."""
    return {
        direction: {
            matrix: _read_only(np.concatenate([np.asarray(a, np.float32) for a in blocks[matrix]], axis=-1))
            for matrix in half.parameters
            if matrix in blocks
        }
        for direction, half in layer.halves.items()
        if (blocks := by_direction.get(direction))
    }


def _read_only(array: Array) -> Array:
    """Arrays that were made here will not change: said so, they aren't copied again."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.flags.writeable = False
    return array


def find(model: Module, layers: object = None) -> list[Layer]:
    """The layers of `model` that `layers` picks, in the order in which the model's attributes stand.

    Args:
        model: An nnx.Module.
        layers: None or "*" for all recurrent layers; a layer's path, or a part of one; an index among the recurrent
            layers; or a list of these. A name that no recurrent layer has picks any other module, such as an nnx.Linear
            or nnx.Conv, to be recorded without gates.

    Raises:
        TypeError: If `model` isn't an nnx.Module, or `layers` is of the wrong type.
        ValueError: If there is no recurrent layer, or `layers` picks one that doesn't exist.
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"model: expected a flax.nnx.Module, got {type(model).__module__}.{type(model).__qualname__}. "
            "A flax.linen module can be wrapped in flax.nnx.bridge.ToNNX."
        )
    picks = layer_choice.checked_picks(layers)
    recurrent: list[Layer] = []
    others: list[tuple[Path, Module]] = []
    unsupported: dict[str, str] = {}
    for path, module in _walk(model, (), set()):
        made = _recurrent_layers(path, module)
        if isinstance(made, str):
            unsupported[_name(path, module)] = made
        elif made:
            recurrent += made
        else:
            others.append((path, module))
    if unsupported:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in unsupported.items())
        warnings.warn(f"rnn_summary leaves out layers that it can't record. {reasons}.", stacklevel=4)
    return _picked(picks, recurrent, others)


def _picked(picks: list[str | int | None], recurrent: list[Layer], others: list[tuple[Path, Module]]) -> list[Layer]:
    names = [layer.name for layer in recurrent]
    chosen: set[int] = set()
    further: dict[str, Layer] = {}
    for pick in picks:
        matches = layer_choice.matches(pick, names)
        chosen.update(matches)
        if not matches:
            modules = _other_layers(pick, others)
            further.update((layer.name, layer) for layer in modules)
            if not modules:
                raise ValueError(_nothing_found(pick, names, others))
    return [layer for index, layer in enumerate(recurrent) if index in chosen] + list(further.values())


def _nothing_found(pick: str | int | None, names: list[str], others: list[tuple[Path, Module]]) -> str:
    if pick in {None, "*"}:
        return "model: it has no recurrent layer that can be recorded (nnx.RNN or nnx.Bidirectional)."
    also = [_name(path, module) for path, module in others if _parameters(module)]
    return (
        f"layers: {pick!r} is none of the model's recurrent layers: {', '.join(map(repr, names)) or 'it has none'}; "
        f"its other layers are {', '.join(map(repr, also)) or 'none'}."
    )


def _other_layers(pick: str | int | None, others: list[tuple[Path, Module]]) -> list[Layer]:
    """Modules without a known cell, by full name; by a part of it, those that have parameters of their own."""
    if not isinstance(pick, str) or not pick:
        return []
    exact = [(path, module) for path, module in others if _name(path, module) == pick]
    of_part = [(path, module) for path, module in others if pick in _name(path, module) and _own_parameters(module)]
    return [_plain_layer(path, module) for path, module in exact or of_part]


def _name(path: Path, module: Module) -> str:
    """The path; of the model itself, the name of its class."""
    return "/".join(map(str, path)) or type(module).__name__


def _walk(node: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, Module]]:
    """(path, module) of every module, each once, from the outside in; not those inside a recurrent layer."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, nnx.Module):
        yield path, node
    if isinstance(node, nnx.RNN) or (isinstance(node, nnx.Bidirectional) and _is_pair(node)):
        return
    children: Iterator[tuple[str | int, Any]]
    if isinstance(node, nnx.Pytree):
        children = ((name, value) for name, value in list(vars(node).items()) if not name.startswith("_pytree__"))
    elif isinstance(node, Mapping):
        children = iter(list(node.items()))
    elif isinstance(node, list | tuple):
        children = enumerate(node)
    else:
        return
    for key, value in children:
        yield from _walk(value, (*path, key), seen)


def _layout(rnn: Module) -> _CellLayout | None:
    """The layout of a cell that computes exactly what Flax's own does, whatever its class."""
    for cell_class, layout in _LAYOUTS.items():
        if isinstance(rnn.cell, cell_class) and type(rnn.cell).__call__ is cell_class.__call__:
            dense = {*layout.kernel, *layout.recurrent_kernel}
            if all(type(getattr(rnn.cell, name, None)) is nnx.Linear for name in dense):
                return layout
    return None


def _is_pair(module: Module) -> bool:
    """Whether the two directions are of one kind, so that they make one record."""
    halves = (module.forward_rnn, module.backward_rnn)
    if halves[0] is halves[1] or not all(isinstance(half, nnx.RNN) for half in halves):
        return False
    layouts = [_layout(half) for half in halves]
    return (
        layouts[0] is not None and layouts[0] is layouts[1] and len({half.cell.hidden_features for half in halves}) == 1
    )


def _recurrent_layers(path: Path, module: Module) -> list[Layer] | str:
    """The layer, or the reason why it can't be recorded; nothing if it isn't recurrent itself."""
    if isinstance(module, nnx.RNNCellBase):
        kind = type(module).__name__
        return f"a {kind} of its own, outside of nnx.RNN; put it in one: nnx.RNN({kind}(…))"
    if isinstance(module, nnx.Bidirectional):
        if not _is_pair(module):
            return []  # its halves are layers of their own
        halves: dict[str, Any] = {cells.FORWARD: module.forward_rnn, cells.BACKWARD: module.backward_rnn}
        paths = {cells.FORWARD: (*path, "forward_rnn"), cells.BACKWARD: (*path, "backward_rnn")}
    elif isinstance(module, nnx.RNN):
        halves, paths = {cells.FORWARD: module}, {cells.FORWARD: path}
    else:
        return []
    name = _name(path, module)
    layout = _layout(next(iter(halves.values())))
    if layout is None:
        return [_plain_layer(path, module)]
    if any(_parameter(half, layout.parameters()[record.KERNEL][0]).ndim != 2 for half in halves.values()):
        return "its weights are those of several layers, stacked by nnx.vmap; make the layers one by one"
    units = int(next(iter(halves.values())).cell.hidden_features)
    made = {
        direction: Half(paths[direction], _present(half, layout.parameters()), layout.cell, recurrent=True)
        for direction, half in halves.items()
    }
    return [Layer(name, layout.cell, units, layout.gates, made)]


def _plain_layer(path: Path, module: Module) -> Layer:
    half = Half(path, _parameters(module), None, recurrent=isinstance(module, nnx.RNN))
    return Layer(_name(path, module), None, None, (), {cells.FORWARD: half})


def _present(half: Module, parameters: Mapping[str, tuple[Path, ...]]) -> dict[str, tuple[Path, ...]]:
    return {
        matrix: paths
        for matrix, paths in parameters.items()
        if all(_parameter(half, path) is not None for path in paths)
    }


def _parameter(module: Module, path: Path) -> Any:
    for part in path:
        is_container = isinstance(module, Mapping | list | tuple)
        module = module[part] if is_container else getattr(module, str(part), None)
        if module is None:
            return None
    return module


def variable(module: Module, path: Path) -> Any:
    """The nnx.Param at `path` in `module`.

    Raises:
        ValueError: If it is no longer there.
    """
    found = _parameter(module, path)
    if found is None:
        raise ValueError(f"there is no parameter {'/'.join(map(str, path))} any more")
    return found


def _parameters(module: Module) -> dict[str, tuple[Path, ...]]:
    """Every parameter of a module without a known cell, each a matrix of its own."""
    flat: Any = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {
        "/".join(map(str, path)): (path,)
        for path, parameter in flat
        if 1 <= getattr(parameter, "ndim", 0) <= _HIGHEST_WEIGHT_RANK and parameter.size
    }


def _own_parameters(module: Module) -> bool:
    return any(isinstance(value, nnx.Param) for value in vars(module).values())
