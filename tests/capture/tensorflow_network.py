"""Models of Keras 3 or tf_keras with recurrent layers of each sort, and what records of them hold, by a GradientTape.

`keras` is the module that a model is of: keras, or tf_keras.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tb_rnn_plugin.record import LayerRecord

Array: TypeAlias = npt.NDArray[np.float32]
Batch: TypeAlias = tuple[Array, Array]
Step: TypeAlias = Callable[[Any, Any], Any]
TIMESTEPS = 6

#: How a training step of one's own may be run.
LOOPS: dict[str, Callable[[Step], Any]] = {
    "eager": lambda step: step,
    "function": tf.function(reduce_retracing=True),
    "xla": tf.function(jit_compile=True, reduce_retracing=True),
}

#: Options of `compile` by the way in which `fit` then runs.
FIT_MODES: dict[str, dict[str, object]] = {
    "default": {},
    "xla": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "two steps at once": {"steps_per_execution": 2},
    "two steps at once, eager": {"steps_per_execution": 2, "run_eagerly": True},
}


def data(samples: int, timesteps: int = TIMESTEPS, seed: int = 0) -> Batch:
    """Inputs (samples, timesteps, 3) and targets (samples, 2)."""
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(samples, timesteps, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def squared(y: Any, prediction: Any) -> Any:
    """The mean squared error, a tensor."""
    return tf.reduce_mean((y - prediction) ** 2)


def network(keras: Any, merge_mode: str | None = "sum", dtype: str = "float32") -> Any:
    """One of each: sequences, two directions that are merged, a last step only."""
    layers = keras.layers
    inputs = keras.Input((None, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="encoder", dtype=dtype)(inputs)
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=merge_mode, name="both", dtype=dtype)
    merged = both(hidden)
    if merge_mode is None:
        merged = layers.Add(dtype=dtype)(merged)
    last = layers.SimpleRNN(4, name="last", dtype=dtype)(merged)
    return keras.Model(inputs, layers.Dense(2, name="head", dtype=dtype)(last))


def clone(keras: Any, model: Any) -> Any:
    """The same layers with the same weights, which nobody has tapped."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


class Expected:
    """What the records of `network` have to hold, for a mean squared error."""

    def __init__(self, model: Any, x: Array, y: Array) -> None:
        encoder, both, last, head = (model.get_layer(name) for name in ("encoder", "both", "last", "head"))
        with tf.GradientTape() as tape:
            hidden = encoder(x)
            forward, backward = both.forward_layer(hidden), both.backward_layer(hidden)
            final = last(_merged(both.merge_mode, forward, tf.reverse(backward, [1])))
            loss = squared(y, head(final))
        self.outputs = {"encoder": hidden, "forward": forward, "backward": backward, "last": final}
        self.output_gradients, self.weight_gradients = tape.gradient(loss, (self.outputs, model.trainable_variables))
        self.weights = model.get_weights()

    def check(self, records: Sequence[LayerRecord], model: Any, rtol: float = 1e-4, atol: float = 1e-6) -> None:
        """Holds the records of `model`, which has the weights that this was computed of, against it."""

        def close(actual: Array, expected: Any, what: str) -> None:
            np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=what)

        assert [record.name for record in records] == ["encoder", "both", "last"]
        by_name = {record.name: record for record in records}
        for quantity, of in (("activation", self.outputs), ("output_gradient", self.output_gradients)):
            both = np.concatenate([of["forward"], of["backward"][:, ::-1]], axis=-1)
            for name, expected in (("encoder", of["encoder"]), ("both", both), ("last", of["last"][:, None])):
                close(by_name[name].sequences[quantity], expected, f"{quantity} of {name}")
        index_of = {id(variable): index for index, variable in enumerate(model.trainable_variables)}
        for record in records:
            layer = model.get_layer(record.name)
            assert record.framework == type(layer).__module__.partition(".")[0]
            halves = {"forward": layer}
            if record.name == "both":
                halves = {"forward": layer.forward_layer, "backward": layer.backward_layer}
            assert record.directions == tuple(halves)
            for direction, half in halves.items():
                for matrix in ("kernel", "recurrent_kernel", "bias"):
                    index = index_of[id(getattr(half.cell, matrix))]
                    what = f"{direction} {matrix} of {record.name}"
                    close(record.weights[direction][matrix], self.weights[index], what)
                    gradient = record.weight_gradients[direction][matrix]
                    close(gradient, self.weight_gradients[index], f"gradient of {what}")


def _merged(mode: str | None, forward: Any, backward: Any) -> Any:
    if mode == "mul":
        return forward * backward
    return (forward + backward) / (2 if mode == "ave" else 1)


def each_expected(untouched: Any, step: Step, batches: Iterable[Batch]) -> Iterator[Expected]:
    """What training on these batches has to give, one after the other; `step` trains `untouched`."""
    for x, y in batches:
        yield Expected(untouched, x, y)
        step(x, y)


def called_twice(keras: Any) -> Any:
    """A model with two inputs, both of which the layer "shared" is called on."""
    layers = keras.layers
    shared = layers.LSTM(4, name="shared")
    left, right = keras.Input((None, 3)), keras.Input((None, 3))
    return keras.Model([left, right], layers.Dense(2)(layers.Subtract()([shared(left), shared(right)])))


class ExpectedOfTwoCalls:
    """What the records of `called_twice` have to hold, for a mean squared error."""

    def __init__(self, model: Any, left: Array, right: Array, y: Array) -> None:
        shared = model.get_layer("shared")
        with tf.GradientTape() as tape:
            self.outputs = [shared(left), shared(right)]
            loss = squared(y, model.layers[-1](self.outputs[0] - self.outputs[1]))
        # The kernel is the first of the layer's variables.
        self.output_gradients, (self.kernel_gradient, *_) = tape.gradient(
            loss, (self.outputs, shared.trainable_variables)
        )

    def check(self, records: Sequence[LayerRecord]) -> None:
        """Holds a record for each call against it; the gradient of the weights, of both calls, is in the first."""
        assert [record.name for record in records] == ["shared", "shared/call_1"]
        for record, output, gradient in zip(records, self.outputs, self.output_gradients, strict=True):
            np.testing.assert_allclose(record.sequences["activation"][:, 0], output, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(record.sequences["output_gradient"][:, 0], gradient, rtol=1e-4, atol=1e-6)
        kernel_gradient = records[0].weight_gradients["forward"]["kernel"]
        np.testing.assert_allclose(kernel_gradient, self.kernel_gradient, rtol=1e-4, atol=1e-6)
        assert not records[1].weights


def encoder_and_decoder(keras: Any) -> Any:
    """A masked encoder whose states a decoder starts from, and a layer of two directions above it."""
    layers = keras.layers
    inputs = keras.Input((TIMESTEPS, 3))
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(layers.Masking(0.0)(inputs))
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(inputs, initial_state=[h, c])
    both = layers.Bidirectional(layers.GRU(3), merge_mode="sum", name="both")(decoded)
    return keras.Model(inputs, layers.Dense(2)(both))


def check_kept_inputs(keras: Any, kept: Mapping[str, Mapping[str, Array]], untouched: Any, x: Array) -> None:
    """Holds what taps kept of `encoder_and_decoder`, on `x`, against `untouched`, which has the same weights."""
    encoder, decoder = (untouched.get_layer(name).output for name in ("encoder", "decoder"))
    (h, c), decoded = keras.Model(untouched.inputs[0], [encoder[1:], decoder])(x)
    assert set(kept["encoder"]) == {"input", "mask", "state_gradient/0", "state_gradient/1"}
    np.testing.assert_array_equal(kept["encoder"]["mask"], (x != 0).any(-1))
    np.testing.assert_array_equal(kept["encoder"]["input"], x)
    assert set(kept["decoder"]) == {"input", "initial_state/0", "initial_state/1"}
    np.testing.assert_allclose(kept["decoder"]["initial_state/0"], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept["decoder"]["initial_state/1"], c, rtol=1e-5, atol=1e-6)
    assert set(kept["both"]) == {"input"}
    np.testing.assert_allclose(kept["both"]["input"], decoded, rtol=1e-5, atol=1e-6)


def attributes(model: Any) -> list[set[str]]:
    """The names of what each layer, and the optimizer, has set on it: taps must leave nothing behind."""
    return [set(vars(layer)) for layer in (*model._flatten_layers(), model.optimizer)]
