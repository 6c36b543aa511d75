"""Recurrent layers of Keras of every make, as loops of `keras_by_hand`: what a layer returns and its records hold."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tests.capture import keras_by_hand
from tests.capture.keras_by_hand import Tensor

layers = keras.layers


@dataclasses.dataclass
class Half:
    """One direction of a layer: its cells from the input up, and the output in input time, (samples, timesteps, …)."""

    cells: list[keras_by_hand.Cell]
    sequence: Tensor


@dataclasses.dataclass
class Expected:
    """What a record has to hold: by direction a cell, and its sequence (samples, timesteps, channels) if it has one."""

    cells: dict[str, keras_by_hand.Cell]
    sequences: list[Tensor] | None
    space: tuple[int, ...] = ()

    @property
    def blocks(self) -> dict[str, keras_by_hand.Blocks]:
        """By direction."""
        return {direction: cell.blocks for direction, cell in self.cells.items()}


#: From a layer and its input: its output, both directions of one that merges nothing, and record name to what it holds.
ByHand: TypeAlias = Callable[[Any, Tensor], tuple[Tensor, dict[str, Expected]]]


def half(layer: Any, x: Tensor, *, backwards: bool = False, mask: Tensor | None = None) -> Half:
    samples = x.shape[0]
    if isinstance(layer.cell, layers.StackedRNNCells):
        cells = [keras_by_hand.Cell.like(cell) for cell in layer.cell.cells]
        step: keras_by_hand.Step = keras_by_hand.Stack(cells)
        states = [tf.zeros((samples, cell.units)) for cell in layer.cell.cells for _ in range(2)]
    else:
        cells = [keras_by_hand.Cell.like(layer.cell)]
        step = cells[0]
        states = [tf.zeros((samples, layer.units)) for _ in keras.tree.flatten(layer.cell.state_size)]
    sequence, _ = keras_by_hand.run(step, x, states, mask=mask, backwards=backwards)
    if not layer.return_sequences:
        sequence = sequence[:, :1] if backwards else sequence[:, -1:]
    return Half(cells, sequence)


def expected(name: str, halves: Mapping[str, Half], *, is_stack: bool = False) -> dict[str, Expected]:
    cells = list(zip(*(one.cells for one in halves.values()), strict=True))
    sequences = [one.sequence for one in halves.values()]
    return {
        f"{name}/cell_{index}" if is_stack else name: Expected(
            dict(zip(halves, of_cell, strict=True)), sequences if index == len(cells) - 1 else None
        )
        for index, of_cell in enumerate(cells)
    }


def as_returned(layer: Any, sequence: Tensor) -> Tensor:
    return sequence if layer.return_sequences else sequence[:, 0]


def plain(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    is_stack = isinstance(layer.cell, layers.StackedRNNCells)
    one = half(layer, x)
    return as_returned(layer, one.sequence), expected(layer.name, {"forward": one}, is_stack=is_stack)


def masked(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    one = half(layer, x, mask=tf.reduce_any(x != 0, axis=-1))
    return as_returned(layer, one.sequence), expected(layer.name, {"forward": one}, is_stack=True)


def merged(mode: str | None, forward: Tensor, backward: Tensor) -> Tensor:
    if mode in {"concat", None}:
        return tf.concat([forward, backward], axis=-1)
    if mode == "mul":
        return forward * backward
    return (forward + backward) / (2 if mode == "ave" else 1)


def bidirectional(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    forward, backward = half(layer.forward_layer, x), half(layer.backward_layer, x, backwards=True)
    is_stack = isinstance(layer.forward_layer.cell, layers.StackedRNNCells)
    out = merged(layer.merge_mode, forward.sequence, backward.sequence)
    return as_returned(layer, out), expected(layer.name, {"forward": forward, "backward": backward}, is_stack=is_stack)


def of_two_kinds(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    forward, backward = half(layer.forward_layer, x), half(layer.backward_layer, x, backwards=True)
    out = merged(layer.merge_mode, forward.sequence, backward.sequence)
    return as_returned(layer, out), {
        **expected(f"{layer.name}/{layer.forward_layer.name}", {"forward": forward}),
        **expected(f"{layer.name}/{layer.backward_layer.name}", {"backward": backward}),
    }


def distributed(by_hand: ByHand) -> ByHand:
    """The same for the layer in a TimeDistributed: a sample and frame, one after the other, are a sample."""

    def of(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
        inner = layer.layer
        out, found = by_hand(inner, tf.reshape(x, [-1, *x.shape[2:]]))
        renamed = {name.replace(inner.name, layer.name, 1): one for name, one in found.items()}
        return tf.reshape(out, [*x.shape[:2], *out.shape[1:]]), renamed

    return of


def convolutional(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    """A ConvLSTM, or a Bidirectional of it: computed with channels last, whatever the layer's data format."""
    halves = {"forward": layer}
    if isinstance(layer, layers.Bidirectional):
        halves = {"forward": layer.forward_layer, "backward": layer.backward_layer}
    first = halves["forward"]
    channels_first = first.data_format == "channels_first"
    if channels_first:
        x = tf.transpose(x, [0, 1, *range(3, x.shape.rank), 2])
    # Not left out: TensorFlow's gradient of a convolution in three dimensions fails without it.
    form = {4: "NWC", 5: "NHWC", 6: "NDHWC"}[x.shape.rank]
    padding = first.padding.upper()
    made: dict[str, Half] = {}
    returned = []
    space: tuple[int, ...] = ()
    for direction, one in halves.items():
        cell = keras_by_hand.Cell.like(
            one.cell,
            of_input=lambda a, kernel: tf.nn.convolution(a, kernel, padding=padding, data_format=form),
            of_state=lambda a, kernel: tf.nn.convolution(a, kernel, padding="SAME", data_format=form),
        )
        like_output = cell.of_input(x[:, 0], cell.blocks["input"]["kernel"])
        space = tuple(like_output.shape[1:-1])
        backwards = direction == "backward"
        outputs, _ = keras_by_hand.run(cell, x, [tf.zeros_like(like_output)] * 2, backwards=backwards)
        if not first.return_sequences:
            outputs = outputs[:, :1] if backwards else outputs[:, -1:]
        # Filter by filter, each row by row; the layer's output is made from this, so that a gradient comes to it.
        filters_first = tf.transpose(outputs, [0, 1, outputs.shape.rank - 1, *range(2, outputs.shape.rank - 1)])
        channels = tf.reshape(filters_first, [*filters_first.shape[:2], -1])
        filters_first = tf.reshape(channels, filters_first.shape)
        last = tf.transpose(filters_first, [0, 1, *range(3, filters_first.shape.rank), 2])
        made[direction] = Half([cell], channels)
        returned.append(as_returned(first, filters_first if channels_first else last))
    found = expected(layer.name, made)
    found[layer.name].space = space
    return tf.concat(returned, axis=-1), found


def summed(layer: Any, x: Tensor) -> tuple[Tensor, dict[str, Expected]]:
    out, found = convolutional(layer, x)
    return tf.add(*tf.split(out, 2, axis=-1)), found
