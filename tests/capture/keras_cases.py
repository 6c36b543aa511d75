"""Recurrent layers of Keras, each made and called in one way, and what is to be recorded of them by a GradientTape."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tb_rnn_plugin.record import LayerRecord
from tests.capture.unrolled_keras import Arrays, Unrolled, unroll

Tensor: TypeAlias = Any
Layer: TypeAlias = Any

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 6, 4, 5
# True where there is a step: a gap, a late beginning, an early end.
MASK = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], bool)
SEQUENCES = {"return_sequences": True}


class Together(layers.Layer):
    """What a recurrent layer returns, in one row a sample."""

    supports_masking = True

    def call(self, tensors: list[Tensor]) -> Tensor:
        return together(tensors)

    def compute_output_shape(self, shapes: Any) -> Any:
        return (None, sum(int(np.prod(shape[1:])) for shape in shapes))

    def compute_mask(self, *_: Any) -> None:
        return None


def together(tensors: list[Tensor]) -> Tensor:
    return tf.concat([tf.reshape(tensor, [tf.shape(tensor)[0], -1]) for tensor in tensors], axis=-1)


def loss_of(_: Tensor, row: Tensor) -> Tensor:
    weight = tf.linspace(0.5, 2.0, row.shape[-1])
    return tf.reduce_sum(weight * row**2 + 0.3 * row)


@dataclasses.dataclass
class Net:
    """A layer, masked or not, started from given states or not, and the data it gets."""

    layer: Layer
    masked: bool = False
    starts: bool = False

    def __post_init__(self) -> None:
        inputs = [keras.Input((TIMESTEPS, INPUTS))]
        x = layers.Masking()(inputs[0]) if self.masked else inputs[0]
        inputs += [keras.Input((UNITS,)) for _ in self.initial] if self.starts else []
        # Keras passes a mask on by itself only where it is given nothing else.
        mask = keras.ops.any(inputs[0] != 0, axis=-1) if self.masked else None
        outputs = self.layer(x, initial_state=inputs[1:], mask=mask) if self.starts else self.layer(x)
        row = Together()(outputs if isinstance(outputs, list | tuple) else [outputs])
        self.model = keras.Model(inputs if self.starts else inputs[0], row)
        self.model.compile(keras.optimizers.SGD(0.0), loss=loss_of)

    @property
    def halves(self) -> list[Layer]:
        is_pair = isinstance(self.layer, layers.Bidirectional)
        return [self.layer.forward_layer, self.layer.backward_layer] if is_pair else [self.layer]

    @property
    def initial(self) -> list[Any]:
        """Of each half in turn."""
        count = 2 if isinstance(self.halves[0], layers.LSTM) else 1
        rng = np.random.default_rng(2)
        made = [rng.standard_normal((SAMPLES, UNITS)).astype(np.float32) for _ in self.halves for _ in range(count)]
        return made if self.starts else [np.zeros_like(state) for state in made]

    @property
    def x(self) -> Any:
        values = np.random.default_rng(1).standard_normal((SAMPLES, TIMESTEPS, INPUTS)).astype(np.float32)
        if self.masked:
            values[~MASK] = 0
        return [values, *self.initial] if self.starts else values

    @property
    def y(self) -> Any:
        return np.zeros((SAMPLES, 1), np.float32)

    def unrolled(self) -> Arrays:
        """Quantity to what is to be recorded, by autograd."""
        mask = tf.constant(MASK) if self.masked else None
        count = len(self.initial) // len(self.halves)
        with tf.GradientTape(persistent=True) as tape:
            x = tf.constant(self.x[0] if self.starts else self.x)
            tape.watch(x)
            went = []
            for index, half in enumerate(self.halves):
                states = [tf.constant(state) for state in self.initial[index * count :][:count]]
                tape.watch(states)
                flipped = index == 1
                went.append(unroll(half, x, states, mask, flipped=flipped))
            loss = loss_of(None, together(self.returned(went)))
        by_half = [half.arrays(tape, loss) for half in went]
        return {name: np.concatenate([of[name] for of in by_half], axis=-1) for name in by_half[0]}

    def returned(self, went: list[Unrolled]) -> list[Tensor]:
        """What the layer returns."""
        outputs = [half.output for half in went]
        if isinstance(self.layer, layers.Bidirectional):
            forward, backward = outputs
            mode = self.layer.merge_mode
            if mode in {"concat", None}:
                outputs = [tf.concat(outputs, axis=-1)] if mode else outputs
            elif mode == "mul":
                outputs = [forward * backward]
            else:
                outputs = [(forward + backward) / (2 if mode == "ave" else 1)]
        states = [state for half in went for state in half.states]
        return [*outputs, *states] if self.halves[0].return_state else outputs


def check(record: LayerRecord, wanted: Arrays, samples: int = SAMPLES) -> None:
    assert set(record.sequences) == {"activation", "output_gradient", *wanted}
    for quantity, values in wanted.items():
        found = record.sequences[quantity]
        np.testing.assert_allclose(found, values[:samples], rtol=1e-5, atol=1e-5, err_msg=quantity)


KINDS: dict[str, Callable[..., Layer]] = {
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "GRU, reset_after=False": lambda *a, **k: layers.GRU(*a, reset_after=False, **k),
    "SimpleRNN": layers.SimpleRNN,
}


def net(kind: str, options: dict[str, Any], of_net: dict[str, Any], mode: Any = ...) -> Callable[[], Net]:
    def make() -> Net:
        bias = keras.initializers.RandomUniform(-0.5, 0.5, seed=5)
        layer = KINDS[kind](UNITS, name="layer", bias_initializer=bias, **options)
        made = Net(layer if mode is ... else layers.Bidirectional(layer, merge_mode=mode, name="layer"), **of_net)
        for weight in made.model.weights:  # orthogonal ones of five units would hardly differ
            weight.assign(weight + keras.random.normal(weight.shape, stddev=0.3, seed=8))
        return made

    return make
