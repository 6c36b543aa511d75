"""The layers of a Flax nnx model: which there are, what they are called, and which of them are to be recorded."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from flax import nnx

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import layer_choice
from tb_rnn_plugin.capture.flax import recurrence as flax_recurrence
from tb_rnn_plugin.capture.flax.cell_layouts import layout_of
from tb_rnn_plugin.capture.flax.layers import Half, Layer, Module, Path, parameter, variable
from tb_rnn_plugin.description import LayerDescription, ModelDescription, not_picked
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.half import CannotDerive
from tb_rnn_plugin.recurrence.layer import default_channels

_HIGHEST_WEIGHT_RANK = 5  # of a LayerRecord's matrices
# These hold modules, and are never called.
_CONTAINERS = (nnx.List, nnx.Dict)
# Where the number of channels of an output is known before the first call.
_WIDTHS: Mapping[Any, str] = MappingProxyType(
    {nnx.Linear: "out_features", nnx.Conv: "out_features", nnx.Embed: "features"}
)


@dataclasses.dataclass(frozen=True)
class _Choice:
    """What `layers` means in one model.

    Attributes:
        picked: The layers to be recorded, in the order in which the model's attributes stand.
        others: Name to reason of those that could be recorded too.
        unsupported: Name to reason of recurrent layers that can't be.
    """

    picked: list[Layer]
    others: Mapping[str, str]
    unsupported: Mapping[str, str]


def find(model: Module, layers: object = None) -> list[Layer]:
    """The layers of `model` that `layers` picks, in the order in which the model's attributes stand.

    Args:
        model: An nnx.Module.
        layers: As in `layer_choice`. The other layers are the modules with parameters of their own, such as an
            nnx.Linear or nnx.Conv, and any module by its full name, with the parameters of all that is inside it; they
            are recorded without gates.

    Raises:
        TypeError: If `model` isn't an nnx.Module, or `layers` is of the wrong type.
        ValueError: If there is no recurrent layer, or `layers` picks one that doesn't exist.
    """
    choice = _chosen(model, layers, needs_any=True)
    if choice.unsupported:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in choice.unsupported.items())
        warnings.warn(f"rnn_summary leaves out layers that it can't record. {reasons}.", stacklevel=4)
    return choice.picked


def describe(model: Module, layers: object, *, samples: int, timesteps: int) -> ModelDescription:
    """What will be recorded of a model; see `rnn_summary.describe`.

    Raises:
        TypeError: If `model` isn't an nnx.Module, or `layers` is of the wrong type.
        ValueError: If `layers` picks a layer that doesn't exist.
    """
    choice = _chosen(model, layers, needs_any=layers is not None)
    described = [_description(model, layer) for layer in choice.picked]
    return ModelDescription(described, {**choice.unsupported, **choice.others}, samples=samples, timesteps=timesteps)


def _chosen(model: Module, layers: object, *, needs_any: bool) -> _Choice:
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"model: expected a flax.nnx.Module, got {type(model).__module__}.{type(model).__qualname__}. "
            "A flax.linen module can be wrapped in flax.nnx.bridge.ToNNX."
        )
    picks = layer_choice.checked_picks(layers)
    found: list[Layer] = []
    unsupported: dict[str, str] = {}
    for path, module in _walk(model, (), set()):
        made = _recurrent_layers(path, module, _direction(model, path, module))
        name = _name(path, module)
        if isinstance(made, str):
            unsupported[name] = made
        elif made:
            found += made
        elif name in picks:
            found.append(_plain_layer(path, module, _parameters(module)))
        elif not isinstance(module, _CONTAINERS) and (own := _own_parameters(module)):
            found.append(_plain_layer(path, module, own))
    recurrent = [layer.name for layer in found if _is_recurrent(layer)]
    others = [layer.name for layer in found if not _is_recurrent(layer)]
    none = "model: it has no recurrent layer that can be recorded (nnx.RNN or nnx.Bidirectional)."
    chosen: frozenset[str] = frozenset()
    if recurrent or needs_any:
        chosen = layer_choice.picked(layers, recurrent, others, without_recurrent=none)
    return _Choice(
        [layer for layer in found if layer.name in chosen], not_picked(layers, chosen, recurrent, others), unsupported
    )


def _is_recurrent(layer: Layer) -> bool:
    return any(half.recurrent for half in layer.halves.values())


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


def _is_pair(module: Module) -> bool:
    """Whether the two directions are of one kind, so that they make one record."""
    halves = (module.forward_rnn, module.backward_rnn)
    if halves[0] is halves[1] or not all(isinstance(half, nnx.RNN) for half in halves):
        return False
    layouts = [layout_of(half.cell) for half in halves]
    return (
        layouts[0] is not None and layouts[0] is layouts[1] and len({half.cell.hidden_features for half in halves}) == 1
    )


def _direction(model: Module, path: Path, module: Module) -> str:
    """Which way a module runs, unless its call says otherwise: an nnx.Bidirectional says it to both of its layers."""
    around = parameter(model, path[:-1]) if path else None
    if isinstance(around, nnx.Bidirectional):
        is_backward = path[-1] == "backward_rnn"
    else:
        is_backward = isinstance(module, nnx.RNN) and module.reverse
    return cells.BACKWARD if is_backward else cells.FORWARD


def _recurrent_layers(path: Path, module: Module, direction: str) -> list[Layer] | str:
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
        halves, paths = {direction: module}, {direction: path}
    else:
        return []
    name = _name(path, module)
    layout = layout_of(next(iter(halves.values())).cell)
    if layout is None:
        return [_plain_layer(path, module, _parameters(module), direction)]
    if any(parameter(half, layout.parameters()[record.KERNEL][0]).ndim != 2 for half in halves.values()):
        return "its weights are those of several layers, stacked by nnx.vmap; make the layers one by one"
    units = int(next(iter(halves.values())).cell.hidden_features)
    made = {
        direction: Half(paths[direction], _present(half, layout.parameters()), layout.cell, recurrent=True)
        for direction, half in halves.items()
    }
    return [Layer(name, layout.cell, units, layout.gates, made)]


def _plain_layer(
    path: Path, module: Module, parameters: Mapping[str, tuple[Path, ...]], direction: str = cells.FORWARD
) -> Layer:
    half = Half(path, parameters, None, recurrent=isinstance(module, nnx.RNN))
    return Layer(_name(path, module), None, None, (), {direction: half})


def _present(half: Module, parameters: Mapping[str, tuple[Path, ...]]) -> dict[str, tuple[Path, ...]]:
    return {
        matrix: paths
        for matrix, paths in parameters.items()
        if all(parameter(half, path) is not None for path in paths)
    }


def _parameters(module: Module) -> dict[str, tuple[Path, ...]]:
    """Every parameter of a module without a known cell, each a matrix of its own."""
    flat: Any = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {
        "/".join(map(str, path)): (path,)
        for path, of_path in flat
        if 1 <= getattr(of_path, "ndim", 0) <= _HIGHEST_WEIGHT_RANK and of_path.size
    }


def _own_parameters(module: Module) -> dict[str, tuple[Path, ...]]:
    """Those that aren't in a module inside this one."""

    def is_own(path: Path) -> bool:
        inside = (parameter(module, path[:length]) for length in range(1, len(path)))
        return not any(isinstance(each, nnx.Module) and not isinstance(each, _CONTAINERS) for each in inside)

    return {name: (path,) for name, (path,) in _parameters(module).items() if is_own(path)}


def _description(model: Module, layer: Layer) -> LayerDescription:
    halves = {direction: variable(model, half.path) for direction, half in layer.halves.items()}
    first = next(iter(halves.values()))
    derived, reason = _derived(layer, halves)
    return LayerDescription(
        name=layer.name,
        cell=layer.cell,
        units=layer.units,
        directions=tuple(halves),
        gates=layer.gates,
        shapes={
            direction: {matrix: _shape(module, paths) for matrix, paths in layer.halves[direction].parameters.items()}
            for direction, module in halves.items()
        },
        sequences=dict.fromkeys((ACTIVATION, OUTPUT_GRADIENT), _channels(layer, first)),
        derived=derived,
        note=reason,
        kind=_kind(first) if len(halves) == 1 else f"Bidirectional({_kind(first)})",
        settings=_settings(first),
    )


def _shape(module: Module, paths: tuple[Path, ...]) -> tuple[int, ...]:
    """That of the parameters joined along their last axis."""
    shapes = [variable(module, path).shape for path in paths]
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _derived(layer: Layer, halves: Mapping[str, Module]) -> tuple[dict[str, int | None], str]:
    """What is computed of a layer, to its channels; and why nothing is, or ""."""
    if layer.cell is None or layer.units is None:
        return {}, ""
    try:
        for direction, rnn in halves.items():
            flax_recurrence.traits(rnn, reverse=direction == cells.BACKWARD, starts=False)
    except CannotDerive as reason:
        return {}, f"its gradient through time, gates and cell state aren't computed: {reason}"
    units = layer.units * len(halves)
    return {**default_channels(layer.cell, units, units)}, ""


def _channels(layer: Layer, module: Module) -> int | None:
    if layer.units is not None:
        return layer.units * len(layer.halves)
    width = next((name for kind, name in _WIDTHS.items() if isinstance(module, kind)), None)
    return None if width is None else int(getattr(module, width))


def _kind(module: Module) -> str:
    kind = type(module).__name__
    return f"{kind}({type(module.cell).__name__})" if isinstance(module, nnx.RNN) else kind


def _settings(module: Module) -> dict[str, str]:
    """The functions in the cell of a recurrent layer, and options that are not as usual."""
    if not isinstance(module, nnx.RNN):
        return {}
    functions = (("activation", "activation_fn"), ("gates", "gate_fn"))
    options = ("reverse", "keep_order", "time_major", "return_carry")
    return {
        **{name: getattr(fn, "__name__", "?") for name, own in functions if (fn := getattr(module.cell, own, None))},
        **{name: str(getattr(module, name)) for name in options if getattr(module, name)},
    }
