"""Recurrent layers of Keras written out in plain TensorFlow, gate by gate: what captures are held against."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

Tensor: TypeAlias = Any
#: Gate to matrix name to its block of the matrix, as a variable of its own.
Blocks: TypeAlias = dict[str, dict[str, Any]]
Product: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Step: TypeAlias = Callable[[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]

GATES = {
    "LSTM": ("input", "forget", "cell", "output"),
    "ConvLSTM": ("input", "forget", "cell", "output"),
    "GRU": ("update", "reset", "candidate"),
    "SimpleRNN": ("",),
}


def kind_of(cell: Any) -> str:
    """The kind of a cell: "LSTM" of an LSTMCell."""
    return type(cell).__name__.removesuffix("Cell")


@dataclasses.dataclass
class Cell:
    """A cell whose weights are those of a Keras cell, gate by gate."""

    kind: str
    blocks: Blocks
    of_input: Product = tf.matmul
    of_state: Product = tf.matmul

    @classmethod
    def like(cls, cell: Any, **products: Product) -> "Cell":
        gates = GATES[kind_of(cell)]
        matrices = ("kernel", "recurrent_kernel", "bias")
        split = {name: tf.split(getattr(cell, name).value, len(gates), axis=-1) for name in matrices}
        blocks = {g: {name: tf.Variable(split[name][i]) for name in matrices} for i, g in enumerate(gates)}
        return cls(kind_of(cell), blocks, **products)

    def before(self, gate: str, x: Tensor, h: Tensor) -> Tensor:
        """What goes into the gate's function."""
        block = self.blocks[gate]
        bias = tf.reshape(block["bias"], [-1, block["bias"].shape[-1]])  # (1 or 2, units)
        return self.of_input(x, block["kernel"]) + self.of_state(h, block["recurrent_kernel"]) + tf.reduce_sum(bias, 0)

    def __call__(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h = states[0]
        if self.kind == "SimpleRNN":
            h = tf.tanh(self.before("", x, h))
            return h, [h]
        if self.kind == "GRU":
            update, reset = (tf.sigmoid(self.before(gate, x, h)) for gate in ("update", "reset"))
            block = self.blocks["candidate"]
            of_input, of_state = tf.matmul(x, block["kernel"]), block["recurrent_kernel"]
            if block["bias"].shape.rank == 2:  # reset_after
                inner = of_input + block["bias"][0] + reset * (tf.matmul(h, of_state) + block["bias"][1])
            else:
                inner = of_input + block["bias"] + tf.matmul(reset * h, of_state)
            h = update * h + (1 - update) * tf.tanh(inner)
            return h, [h]
        i, f, o = (tf.sigmoid(self.before(gate, x, h)) for gate in ("input", "forget", "output"))
        c = f * states[1] + i * tf.tanh(self.before("cell", x, h))
        return o * tf.tanh(c), [o * tf.tanh(c), c]


@dataclasses.dataclass
class Stack:
    """Cells one above the other, of which each has two states at most."""

    cells: Sequence[Step]

    def __call__(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        new: list[Tensor] = []
        for index, cell in enumerate(self.cells):
            x, of_cell = cell(x, states[2 * index : 2 * index + 2])
            new += (of_cell * 2)[:2]
        return x, new


def run(
    step: Step,
    x: Tensor,
    states: Sequence[Tensor],
    *,
    mask: Tensor | None = None,
    zeros_where_masked: bool = False,
    backwards: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """The outputs at each timestep of `x`, (samples, timesteps, …) in input time, and the last states."""
    order = range(x.shape[1])[:: -1 if backwards else 1]
    states = list(states)
    outputs: dict[int, Tensor] = {}
    before = None
    for t in order:
        y, new = step(x[:, t], states)
        if mask is not None:
            here = mask[:, t, None]
            before = tf.zeros_like(y) if before is None or zeros_where_masked else before
            y = tf.where(here, y, before)
            new = [tf.where(here, one, old) for one, old in zip(new, states, strict=True)]
        before = y
        outputs[t], states = y, new
    return tf.stack([outputs[t] for t in sorted(outputs)], axis=1), states
