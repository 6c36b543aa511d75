"""A Keras model with one recurrent layer of each sort, and what a record of it has to hold."""

import functools
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tb_rnn_plugin.record import LayerRecord
from tests.capture.keras_backends.by_hand import Array, Loss, Numbers, Steps, Tensor

layers = keras.layers
TIMESTEPS = 5
MATRICES = ("kernel", "recurrent_kernel", "bias")


def data(samples: int, timesteps: int = TIMESTEPS, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(samples, timesteps, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def network(merge_mode: str | None = "sum", last: str = "SimpleRNN", dtype: str = "float32", **options: Any) -> Any:
    """Sequences; two directions, merged; a last step only."""
    inputs = keras.Input((None, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="encoder", dtype=dtype)(inputs)
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=merge_mode, name="both", dtype=dtype)
    merged = both(hidden)
    if merge_mode is None:
        merged = layers.Add(dtype=dtype)(merged)
    outputs = getattr(layers, last)(4, name="last", dtype=dtype, **options)(merged)
    return keras.Model(inputs, layers.Dense(2, name="head", dtype=dtype)(outputs))


def small_network(last: str = "GRU", dtype: str = "float32") -> Any:
    """The last layer of `network` alone: compiling is most of what a test does."""
    inputs = keras.Input((None, 3))
    hidden = getattr(layers, last)(4, name="last", dtype=dtype)(inputs)
    return keras.Model(inputs, layers.Dense(2, name="head", dtype=dtype)(hidden))


def sgd() -> Any:
    """Clips: that has to leave no trace in what is recorded."""
    return keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1e-2)


def clone(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


class Expected:
    """What the records of `network` or `small_network` have to hold, for a mean squared error."""

    def __init__(self, model: Any, x: Array, y: Array) -> None:
        halves, merge_mode = {"last": model.get_layer("last")}, None
        if any(layer.name == "both" for layer in model.layers):
            both = model.get_layer("both")
            merge_mode = both.merge_mode
            halves |= {"encoder": model.get_layer("encoder")}
            halves |= {"forward": both.forward_layer, "backward": both.backward_layer}
        self.weights = {
            f"{name}/{matrix}": np.array(keras.ops.convert_to_numpy(getattr(half.cell, matrix)))
            for name, half in halves.items()
            for matrix in MATRICES
        }
        kernel, bias = (np.array(weight) for weight in model.get_layer("head").get_weights())
        steps = {name: 1 if name == "last" else x.shape[1] for name in halves}
        zeros = {name: np.zeros((len(x), steps[name], half.units), np.float32) for name, half in halves.items()}
        kinds = tuple((name, type(half).__name__) for name, half in halves.items())
        self.outputs, self.gradients = Numbers(keras.config.backend()).differentiated(
            _loss(keras.config.backend(), merge_mode, kinds),
            self.weights | zeros,
            {"x": x, "y": y, "kernel": kernel, "bias": bias},
        )

    def check(self, records: list[LayerRecord], rtol: float = 1e-4, atol: float = 1e-6) -> None:
        assert [record.name for record in records] == (["encoder", "both"] if "encoder" in self.outputs else []) + [
            "last"
        ]
        for record in records:
            names = {"forward": record.name}
            if record.name == "both":
                names = {"forward": "forward", "backward": "backward"}
            assert record.directions == tuple(names)
            for quantity, of in (("activation", self.outputs), ("output_gradient", self.gradients)):
                expected = np.concatenate([of[name] for name in names.values()], axis=-1)
                what = f"{quantity} of {record.name}"
                np.testing.assert_allclose(record.sequences[quantity], expected, rtol, atol, err_msg=what)
            for quantity, matrices, of in (
                ("weights", record.weights, self.weights),
                ("weight gradients", record.weight_gradients, self.gradients),
            ):
                assert {d: tuple(of_direction) for d, of_direction in matrices.items()} == dict.fromkeys(
                    names, MATRICES
                )
                for direction, name in names.items():
                    for matrix, array in matrices[direction].items():
                        what = f"{quantity} of {record.name}, {direction} {matrix}"
                        np.testing.assert_allclose(array, of[f"{name}/{matrix}"], rtol, atol, err_msg=what)


@functools.cache  # for JAX, which compiles it
def _loss(backend: str, merge_mode: str | None, kinds: tuple[tuple[str, str], ...]) -> Loss:
    """A network and its loss, with zeros added to each output: their gradients are those of the outputs."""
    numbers = Numbers(backend)

    def loss(tensors: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        values: dict[str, Tensor] = {}

        def run(name: str, inputs: Steps, *, backwards: bool = False) -> Steps:
            weights = {matrix: tensors[f"{name}/{matrix}"] for matrix in MATRICES}
            steps = numbers.run(dict(kinds)[name], weights, inputs, backwards=backwards)[0]
            steps = steps[-1:] if name == "last" else steps
            values[name] = numbers.sequence(steps)
            return [step + tensors[name][:, t] for t, step in enumerate(steps)]

        steps = [given["x"][:, t] for t in range(given["x"].shape[1])]
        if "encoder" in tensors:
            hidden = run("encoder", steps)
            forward, backward = run("forward", hidden), run("backward", hidden, backwards=True)
            steps = [_merged(numbers, merge_mode, *both) for both in zip(forward, backward, strict=True)]
        (last,) = run("last", steps)
        return ((last @ given["kernel"] + given["bias"] - given["y"]) ** 2).mean(), values

    return loss


def _merged(numbers: Numbers, mode: str | None, forward: Tensor, backward: Tensor) -> Tensor:
    if mode == "concat":
        return numbers.joined([forward, backward], -1)
    if mode == "mul":
        return forward * backward
    return (forward + backward) / (2 if mode == "ave" else 1)
