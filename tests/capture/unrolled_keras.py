"""Keras's recurrent layers as loops over time in plain TensorFlow, with every state as a tensor of its own."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

Tensor: TypeAlias = Any
Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]


@dataclasses.dataclass
class Unrolled:
    """One direction: what it went through, in the order in which it ran.

    Where a step is masked a state is a new tensor of the old value, so that it has a gradient of its own.
    """

    layer: Any
    output: Tensor
    hidden: list[Tensor]
    cell_state: list[Tensor]
    gates: list[dict[str, Tensor]]
    mask: Tensor | None
    flipped: bool

    @property
    def states(self) -> list[Tensor]:
        return [self.hidden[-1], *self.cell_state[-1:]]

    def arrays(self, tape: Any, loss: Tensor) -> Arrays:
        """Quantity to (samples, timesteps, channels), as it is recorded."""
        nodes = {"bptt_gradient": tape.gradient(loss, self.hidden, unconnected_gradients="zero")}
        if self.cell_state:
            nodes["cell_state"] = self.cell_state
            nodes["cell_state_gradient"] = tape.gradient(loss, self.cell_state, unconnected_gradients="zero")
        for gate in self.gates[0]:
            values = [of_step[gate] for of_step in self.gates]
            if self.mask is not None:
                order = range(len(values))[:: -1 if self.layer.go_backwards else 1]
                values = [v * tf.cast(self.mask[:, t, None], v.dtype) for v, t in zip(values, order, strict=True)]
            nodes[f"gate/{gate}"] = values
        direction = -1 if self.flipped else 1
        return {name: np.stack([np.asarray(v) for v in values[::direction]], 1) for name, values in nodes.items()}


def step(cell: Any, x: Tensor, states: Sequence[Tensor], here: Tensor | None) -> tuple[list[Tensor], dict[str, Tensor]]:
    """One timestep of a Keras cell as its papers and documentation have it; where it isn't `here`, states are held."""

    def held(new: Tensor, old: Tensor) -> Tensor:
        return new if here is None else tf.where(here, new, tf.identity(old))

    kernel, recurrent = cell.kernel.value, cell.recurrent_kernel.value
    bias = None if cell.bias is None else cell.bias.value
    h = states[0]
    if isinstance(cell, keras.layers.SimpleRNNCell):
        return [held(cell.activation(x @ kernel + h @ recurrent + (0 if bias is None else bias)), h)], {}
    if isinstance(cell, keras.layers.LSTMCell):
        i, f, g, o = tf.split(x @ kernel + h @ recurrent + (0 if bias is None else bias), 4, axis=-1)
        sigma = cell.recurrent_activation
        gates = {"input": sigma(i), "forget": sigma(f), "cell": cell.activation(g), "output": sigma(o)}
        c = held(gates["forget"] * states[1] + gates["input"] * gates["cell"], states[1])
        return [held(gates["output"] * cell.activation(c), h), c], gates
    wz, wr, wh = tf.split(kernel, 3, axis=-1)
    uz, ur, uh = tf.split(recurrent, 3, axis=-1)
    zeros = [tf.zeros(cell.units)] * 3
    given = zeros if bias is None else tf.split(bias[0] if cell.reset_after else bias, 3)
    of_state = tf.split(bias[1], 3) if bias is not None and cell.reset_after else zeros
    update = cell.recurrent_activation(x @ wz + given[0] + h @ uz + of_state[0])
    reset = cell.recurrent_activation(x @ wr + given[1] + h @ ur + of_state[1])
    inner = reset * (h @ uh + of_state[2]) if cell.reset_after else (reset * h) @ uh
    candidate = cell.activation(x @ wh + given[2] + inner)
    gates = {"update": update, "reset": reset, "candidate": candidate}
    return [held(update * h + (1 - update) * candidate, h)], gates


def unroll(layer: Any, x: Tensor, initial: Sequence[Tensor], mask: Tensor | None, *, flipped: bool = False) -> Unrolled:
    """One direction of a layer; `flipped` where its output is turned around afterwards."""
    states = [tf.identity(state) for state in initial]
    made = Unrolled(layer, None, [], [], [], mask, flipped)
    outputs: list[Tensor] = []
    seen = tf.zeros((len(x),), tf.bool)
    for t in range(x.shape[1])[:: -1 if layer.go_backwards else 1]:
        states, gates = step(layer.cell, x[:, t], states, None if mask is None else mask[:, t, None])
        output_mask = None
        if mask is not None:
            seen = seen | mask[:, t]
            output_mask = mask[:, t] if layer.zero_output_for_mask else seen
        for kept, state in zip((made.hidden, made.cell_state), states, strict=False):
            kept.append(state)
        made.gates.append(gates)
        outputs.append(states[0] if output_mask is None else tf.where(output_mask[:, None], states[0], 0.0))
    made.output = tf.stack(outputs[:: -1 if flipped else 1], axis=1) if layer.return_sequences else outputs[-1]
    return made
