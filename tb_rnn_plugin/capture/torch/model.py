"""The layers of a PyTorch model: which there are, what they are called, and which of them are to be recorded."""

import dataclasses
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from tb_rnn_plugin.capture import layer_choice
from tb_rnn_plugin.capture.torch import layers as torch_layers
from tb_rnn_plugin.capture.torch.layers import Layer, OtherLayer, RecurrentLayer, Wrapper
from tb_rnn_plugin.description import LayerDescription, ModelDescription, not_picked
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, CELL_STATE, CELL_STATE_GRADIENT, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.layer import default_channels

_KINDS = (("lstm", nn.LSTM | nn.LSTMCell), ("gru", nn.GRU | nn.GRUCell), ("rnn", nn.RNN | nn.RNNCell))
_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "RNNBase", "LSTMCell", "GRUCell", "RNNCell"})
# Where the number of channels of an output is known before the first call.
_CHANNELS: tuple[tuple[Any, Callable[[Any], int]], ...] = (
    (nn.Linear, operator.attrgetter("out_features")),
    (nn.Conv1d | nn.ConvTranspose1d, operator.attrgetter("out_channels")),
    (nn.Embedding, operator.attrgetter("embedding_dim")),
    (nn.LayerNorm, lambda module: module.normalized_shape[-1]),
    (nn.MultiheadAttention, operator.attrgetter("embed_dim")),
    (nn.TransformerEncoderLayer | nn.TransformerDecoderLayer, operator.attrgetter("self_attn.embed_dim")),
)


@dataclasses.dataclass(frozen=True)
class _Choice:
    """What `layers` means in one model.

    Attributes:
        picked: The layers to be recorded, in model order.
        others: Name to reason of those that could be recorded too.
        unsupported: Name to reason of recurrent layers that can't be, and of what can't be of the picked ones.
    """

    picked: list[Layer]
    others: Mapping[str, str]
    unsupported: Mapping[str, str]


def find(model: nn.Module, layers: object = None) -> list[Layer]:
    """The layers of `model` that `layers` picks, in model order. Warns of those that can't be recorded.

    Args:
        model: A PyTorch model.
        layers: As `layer_choice` says. The layers that aren't recurrent are the modules with parameters of their own;
            any other module is one too where it is asked for by its full name, and then has the parameters of all that
            is inside it.

    Raises:
        TypeError: If `model` isn't a torch.nn.Module, or `layers` is of the wrong type.
        ValueError: If there is no recurrent layer, or `layers` picks one that doesn't exist or can't be recorded.
    """
    choice = _chosen(model, layers, needs_any=True)
    if choice.unsupported:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in choice.unsupported.items())
        warnings.warn(f"rnn_summary: left out is what can't be recorded. {reasons}.", stacklevel=4)
    return choice.picked


def describe(model: nn.Module, layers: object, *, samples: int, timesteps: int) -> ModelDescription:
    """What will be recorded of a model; see `rnn_summary.describe`.

    Raises:
        TypeError: If `model` isn't a torch.nn.Module, or `layers` is of the wrong type.
        ValueError: If `layers` picks a layer that doesn't exist.
    """
    choice = _chosen(model, layers, needs_any=layers is not None)
    return ModelDescription(
        map(_description, choice.picked),
        {**choice.unsupported, **choice.others},
        samples=samples,
        timesteps=timesteps,
    )


def check_model(model: object) -> None:
    """Checks the type of a model.

    Raises:
        TypeError: If it isn't a torch.nn.Module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}.")


def unwrapped(module: nn.Module) -> tuple[nn.Module, Wrapper]:
    """What is inside of wrappers for several devices and for torch.compile, and the data-parallel one of them."""
    wrapper = Wrapper()
    while True:
        if isinstance(module, nn.parallel.DistributedDataParallel):
            wrapper = Wrapper(module.process_group, distributed=True)
            module = module.module
        elif isinstance(module, nn.DataParallel):
            module = module.module
        elif "_orig_mod" in dict(module.named_children()):  # torch.compile's
            module = module.get_submodule("_orig_mod")
        else:
            return module, wrapper


def _chosen(model: nn.Module, layers: object, *, needs_any: bool) -> _Choice:
    check_model(model)
    picks = layer_choice.checked_picks(layers)
    found: list[Layer] = []
    unsupported: dict[str, str] = {}
    lazy: dict[str, str] = {}
    for name, module, wrapper, time_first in _walk(model, (), Wrapper(), set(), time_first=False):
        in_full = name in picks
        if reason := _why_unsupported(module):
            unsupported[name] = reason
        elif recurrent := _recurrent_layers(name, module, wrapper):
            found += recurrent
        elif any(nn.parameter.is_lazy(parameter) for parameter in module.parameters(recurse=in_full)):
            lazy[name] = "its parameters are made in the first forward pass: attach after one"
        elif in_full or any(True for _ in torch_layers.own_parameters(module)):
            found.append(OtherLayer(name, module, wrapper, time_first=time_first, whole=in_full))
    for pick in picks:
        if pick in unsupported or pick in lazy:
            raise ValueError(f"layers: {pick!r} can't be recorded: {(unsupported | lazy)[str(pick)]}.")
    names = [layer.name for layer in found if layer.cell], [layer.name for layer in found if not layer.cell]
    chosen: frozenset[str] = frozenset()
    if names[0] or needs_any:
        reasons = "".join(f" {name}: {reason}." for name, reason in unsupported.items())
        none = f"model: {type(model).__name__} has no recurrent layer (torch.nn.LSTM, GRU, RNN, or a cell).{reasons}"
        chosen = layer_choice.picked(layers, *names, without_recurrent=none)
    if layer_choice.EVERY_LAYER in picks:
        unsupported |= lazy
    for layer in found:
        if isinstance(layer, OtherLayer) and layer.name in chosen:
            unsupported |= {f"{layer.name}/{name}": reason for name, reason in layer.left_out().items()}
    return _Choice(
        [layer for layer in found if layer.name in chosen], not_picked(layers, chosen, *names) | lazy, unsupported
    )


def _walk(
    module: nn.Module, path: tuple[str, ...], wrapper: Wrapper, seen: set[int], *, time_first: bool
) -> Iterator[tuple[str, nn.Module, Wrapper, bool]]:
    """(name, module, wrapper, whether its output begins with time) of each module, once, from the outside in.

    Not those inside a recurrent layer, nor parts of a module that are no layers themselves.
    """
    module, own = unwrapped(module)
    wrapper = own if own.distributed else wrapper
    if id(module) in seen:
        return
    seen.add(id(module))
    time_first = _is_time_first(module, otherwise=time_first)
    yield "/".join(path) or _own_name(module), module, wrapper, time_first
    if _cell(module) is not None:
        return
    for name, child in module.named_children():
        if not torch_layers.is_part(module, child):
            yield from _walk(child, (*path, name), wrapper, seen, time_first=time_first)


def _own_name(model: nn.Module) -> str:
    """The name of the model itself as a layer: that of its class, in small letters unless one of its parts has that."""
    name = type(model).__name__
    return name if name.lower() in dict(model.named_children()) else name.lower()


def _is_time_first(module: nn.Module, *, otherwise: bool) -> bool:
    """Whether sequences are (timesteps, samples, channels) in a module; what it doesn't say, those around it do."""
    for holder in (module, getattr(module, "self_attn", None)):
        batch_first = getattr(holder, "batch_first", None)
        if isinstance(batch_first, bool):
            return not batch_first
    return otherwise


def _cell(module: nn.Module) -> str | None:
    return next((kind for kind, classes in _KINDS if isinstance(module, classes)), None)


def _recurrent_layers(name: str, module: nn.Module, wrapper: Wrapper) -> list[Layer]:
    cell = _cell(module)
    if cell is None:
        return []
    if not isinstance(module, nn.RNNBase):
        return [RecurrentLayer(name, module, wrapper, None, cell)]
    if module.num_layers == 1:
        return [RecurrentLayer(name, module, wrapper, 0, cell)]
    return [RecurrentLayer(f"{name}/layer_{index}", module, wrapper, index, cell) for index in range(module.num_layers)]


def _why_unsupported(module: nn.Module) -> str:
    """Why a recurrent layer can't be recorded; "" if it can, or isn't recurrent."""
    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule) and "original_name" in dir(module):
        kind = str(module.original_name)
        if kind in _RECURRENT:
            return f"a {kind} of TorchScript takes no hooks; attach to the model that torch.jit.script was given"
    elif type(module).__module__.startswith("torch.ao.nn.quantized") and kind in _RECURRENT:
        return f"a quantised {kind} has no gradients; attach to the float model"
    return ""


def _description(layer: Layer) -> LayerDescription:
    return LayerDescription(
        name=layer.name,
        cell=layer.cell,
        units=layer.units,
        directions=layer.directions,
        gates=layer.gates,
        shapes={
            direction: {name: layer.shape(tensors) for name, tensors in matrices.items()}
            for direction, matrices in layer.parameters().items()
        },
        sequences=_channels(layer),
        derived=_derived(layer),
        kind=f"{type(layer.module).__name__}({layer.module.extra_repr()})",
        # What a module of PyTorch says of itself, but for this.
        settings={"nonlinearity": layer.module.nonlinearity} if isinstance(layer.module, nn.RNN) else {},
    )


def _derived(layer: Layer) -> dict[str, int | None]:
    """What is computed of a recurrent layer, to its channels; of a cell, what isn't recorded."""
    if not isinstance(layer, RecurrentLayer):
        return {}
    directions = len(layer.directions)
    width = (layer.projection or layer.units) * directions
    derived = default_channels(layer.cell, layer.units * directions, width)
    return {quantity: channels for quantity, channels in derived.items() if quantity not in _channels(layer)}


def _channels(layer: Layer) -> dict[str, int | None]:
    """Quantity to channels, as far as that is known."""
    if isinstance(layer, RecurrentLayer):
        channels: int | None = (layer.projection or layer.units) * len(layer.directions)
    else:
        channels = next((of(layer.module) for kind, of in _CHANNELS if isinstance(layer.module, kind)), None)
    quantities = [ACTIVATION, OUTPUT_GRADIENT]
    if isinstance(layer, RecurrentLayer) and layer.index is None:  # of a cell, all states pass through its tap
        quantities.append(BPTT_GRADIENT)
        if layer.cell == "lstm":
            quantities += [CELL_STATE, CELL_STATE_GRADIENT]
    return dict.fromkeys(quantities, channels)
