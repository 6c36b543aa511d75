"""The layers of a Keras model: which there are, what they are called, and which of them are asked for."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping

from tb_rnn_plugin.capture import layer_choice
from tb_rnn_plugin.capture.keras.other_layer import OtherLayer, can_be_recorded
from tb_rnn_plugin.capture.keras.recorded_layer import (
    INITIAL_STATE,
    INPUT,
    MASK,
    STATE_GRADIENT,
    Array,
    Layer,
    Part,
    RecordedLayer,
    Variable,
    children,
    is_float,
    keras_of,
    numbered,
)
from tb_rnn_plugin.capture.keras.recorded_pass import Pass
from tb_rnn_plugin.capture.keras.recurrent_kinds import is_cell, is_recurrent, recurrent_layers
from tb_rnn_plugin.capture.keras.recurrent_layer import RecurrentLayer

# What the taps of each backend need, in one place.
__all__ = [
    "INITIAL_STATE",
    "INPUT",
    "MASK",
    "STATE_GRADIENT",
    "Array",
    "Layer",
    "OtherLayer",
    "Part",
    "Pass",
    "RecordedLayer",
    "RecurrentLayer",
    "Variable",
    "find",
    "is_float",
    "offered",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """What of a model can be recorded.

    Attributes:
        layers: Name to layer, in model order.
        reasons: Name to the reason why something of a layer is left out, or a recurrent one isn't recorded by default.
    """

    layers: Mapping[str, RecordedLayer]
    reasons: Mapping[str, str]

    @property
    def recurrent(self) -> list[str]:
        """The names of the recurrent layers, in model order."""
        return [name for name, layer in self.layers.items() if isinstance(layer, RecurrentLayer)]

    @property
    def others(self) -> list[str]:
        """The names of the other layers, in model order."""
        return [name for name, layer in self.layers.items() if not isinstance(layer, RecurrentLayer)]


def find(model: Layer, layers: object = None) -> list[RecordedLayer]:
    """The layers of `model` that `layers` picks, in model order.

    Args:
        model: A Keras model, or any Keras layer.
        layers: As in `layer_choice`.

    Raises:
        TypeError: If `model` isn't a Keras model, or `layers` is of the wrong type.
        ValueError: If every recurrent layer is asked for and there is none, or `layers` picks one that doesn't exist.
    """
    offer = offered(model)
    recurrent = offer.recurrent
    left_out = "".join(f" {name}: {reason}." for name, reason in offer.reasons.items())
    chosen = layer_choice.picked(
        layers,
        recurrent,
        offer.others,
        without_recurrent=f"model: {model.name!r} has no recurrent layer (LSTM, GRU, SimpleRNN, ConvLSTM, RNN, or "
        f"Bidirectional of one). A model that makes its layers in build() has to be built first.{left_out}",
    )
    by_default = None in layer_choice.checked_picks(layers)
    reasons = [
        f"{name}: {reason}"
        for name, reason in offer.reasons.items()
        if name in chosen or (by_default and name not in recurrent)
    ]
    if reasons:
        warnings.warn(
            f"rnn_summary: not everything can be recorded of every recurrent layer. {'; '.join(reasons)}.", stacklevel=4
        )
    return [layer for name, layer in offer.layers.items() if name in chosen]


def offered(model: Layer) -> Offer:
    """The layers of `model` that can be recorded, recurrent and others.

    Raises:
        TypeError: If `model` isn't a Keras model.
    """
    if not isinstance(model, keras_of(model).layers.Layer):
        raise TypeError(f"model: expected a Keras model, got {type(model).__name__}.")
    layers: dict[str, RecordedLayer] = {}
    reasons: dict[str, str] = {}
    for path, layer, frames in _walk(model):
        made, reason = _recorded(path, layer, frames)
        for one in made:
            name = numbered(one.name, layers)
            layers[name] = one if name == one.name else dataclasses.replace(one, name=name)
            if reason:
                reasons[name] = reason
    return Offer(layers=layers, reasons=reasons)


def _recorded(path: str, layer: Layer, frames: Layer | None) -> tuple[list[RecordedLayer], str]:
    """What can be recorded of one layer, and the reason why that isn't all of it, or "".

    Args:
        path: The layer's path in the model.
        layer: The layer.
        frames: The TimeDistributed that it is in, if it is recurrent and isn't itself what that calls.
    """
    if is_recurrent(layer):
        made, reason = recurrent_layers(path, layer)
        if frames is None:
            return list(made), reason
        return [
            dataclasses.replace(one, tapped=(frames,), has_output=False) for one in made
        ], "inside TimeDistributed, which calls it frame by frame; only its weights are recorded"
    if not can_be_recorded(layer):
        return [], ""
    reason = (
        f"a {type(layer).__name__} of its own, of which only the weights are recorded, and these by name; put it in "
        "keras.layers.RNN"
        if is_cell(layer)
        else ""
    )
    return [OtherLayer(name=path, tapped=(layer,))], reason


def _walk(model: Layer) -> Iterator[tuple[str, Layer, Layer | None]]:
    """Every layer of a model that a record may be of, each once, from the outside in.

    The model's own name is in no path, as long as there are others. What is in a recurrent layer, in a cell or in a
    TimeDistributed is part of that one; but recurrent layers deep in a TimeDistributed, which has no records of them,
    come with it.
    """
    paths: set[str] = set()
    seen = {id(model)}

    def below(layer: Layer, parent: str, frames: Layer | None) -> Iterator[tuple[str, Layer, Layer | None]]:
        if isinstance(layer, keras_of(layer).layers.TimeDistributed):
            frames = frames or layer
        for child in children(layer):
            if id(child) in seen:
                continue
            seen.add(id(child))
            # Layers of a subclassed model may share a name.
            path = numbered(f"{parent}{child.name}", paths)
            paths.add(path)
            recurrent = is_recurrent(child)
            if recurrent or frames is None:
                yield path, child, frames
            if not recurrent and not is_cell(child):
                yield from below(child, f"{path}/", frames)

    if is_recurrent(model) or not isinstance(model, keras_of(model).Model):
        yield model.name, model, None
    if not is_recurrent(model) and not is_cell(model):
        yield from below(model, "", None)
