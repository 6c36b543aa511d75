"""Taps on Keras models with a training step of their own, against a GradientTape on an untouched clone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin.record import LayerRecord

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("for Keras on TensorFlow", allow_module_level=True)

from tb_rnn_plugin.capture.keras import entry as capture_keras  # noqa: E402

layers = keras.layers
Array = npt.NDArray[np.float32]

FRAMEWORK = "Keras 3 on TensorFlow"
MATRICES = ("kernel", "recurrent_kernel", "bias")
NORM = 0.05


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(7)


def data(samples: int = 4) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(samples, 6, 3)), generator.normal(size=(samples, 2))
    return x.astype(np.float32), y.astype(np.float32)


def squared_error(y: Any, prediction: Any) -> Any:
    return tf.reduce_mean((prediction - y) ** 2)


class OwnStep(keras.Model):
    """The training step of Keras's guide, by hand."""

    clips = False
    applies: Callable[[Any, Any, Any], None] = staticmethod(lambda optimizer, g, v: optimizer.apply(g, v))

    def train_step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        x, y = batch
        with tf.GradientTape() as tape:
            loss = squared_error(y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        if self.clips:
            gradients, _ = tf.clip_by_global_norm(gradients, NORM)
        self.applies(self.optimizer, gradients, self.trainable_variables)
        return {"loss": loss}


class Pairs(OwnStep):
    applies = staticmethod(lambda optimizer, g, v: optimizer.apply_gradients(zip(g, v, strict=True)))


class Clips(OwnStep):
    clips = True


def network(kind: type[keras.Model] = keras.Model) -> Any:
    inputs = keras.Input((6, 3))
    hidden = layers.LSTM(5, return_sequences=True, name="below")(inputs)
    return kind(inputs, layers.Dense(2)(layers.GRU(4, name="above")(hidden)))


def clone(model: Any) -> Any:
    copy = network()
    copy.set_weights(model.get_weights())
    return copy


def check(records: list[LayerRecord], copy: Any, x: Array, y: Array, *, clips: bool = False) -> None:
    """That the records are of one step of `copy`."""
    below, above, head = copy.layers[1:]
    variables = [variable.value for variable in copy.trainable_variables]
    with tf.GradientTape() as tape:
        hidden = below(x)
        last = above(hidden)
        loss = squared_error(y, head(last))
    output_gradients, gradients = tape.gradient(loss, ([hidden, last], variables))
    if clips:
        norm = np.sqrt(sum(float(np.sum(np.square(gradient))) for gradient in gradients))
        assert norm > NORM
        gradients = [gradient * (NORM / norm) for gradient in gradients]
    assert [made.name for made in records] == ["below", "above"]
    for index, (made, output) in enumerate(zip(records, (hidden, last[:, None]), strict=True)):
        close(made.sequences["activation"], output)
        gradient = np.reshape(output_gradients[index], output.shape)
        close(made.sequences["output_gradient"], gradient)
        for number, matrix in enumerate(MATRICES):
            close(made.weights["forward"][matrix], variables[3 * index + number])
            close(made.weight_gradients["forward"][matrix], gradients[3 * index + number])


def close(actual: Array, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(OwnStep, marks=pytest.mark.framework_case(FRAMEWORK, "train_step of one's own, optimizer.apply")),
        pytest.param(Pairs, marks=pytest.mark.framework_case(FRAMEWORK, "train_step of one's own, apply_gradients")),
        pytest.param(
            Clips,
            marks=pytest.mark.framework_case(
                FRAMEWORK, "train_step of one's own, which clips: clipped weight gradients"
            ),
        ),
    ],
)
def test_a_train_step_of_ones_own(kind: type[OwnStep], run_eagerly: bool) -> None:
    model, (x, y) = network(kind), data()
    model.compile(keras.optimizers.SGD(0.5), run_eagerly=run_eagerly)
    with capture_keras.attach(model, every=1, samples=None) as taps:
        for step in range(2):
            copy = clone(model)
            model.fit(x, y, batch_size=len(x), verbose=0, shuffle=False)
            check(taps.collect(step), copy, x, y, clips=kind.clips)


class Adversarial(keras.Model):
    """A generator and a discriminator, each with an optimizer of its own, in one training step."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential(
            [keras.Input((6, 3)), layers.LSTM(3, return_sequences=True, name="lstm")], name="generator"
        )
        self.discriminator = keras.Sequential(
            [keras.Input((6, 3)), layers.GRU(4, name="gru"), layers.Dense(1)], name="discriminator"
        )

    def compile(self, generator_optimizer: Any, discriminator_optimizer: Any, **options: Any) -> None:
        super().compile(**options)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer

    def call(self, noise: Any) -> Any:
        return self.discriminator(self.generator(noise))

    def train_step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        noise, real = batch
        with tf.GradientTape() as tape:
            told_apart = tf.reduce_mean(self.discriminator(self.generator(noise)) - self.discriminator(real))
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(told_apart, variables), variables)
        with tf.GradientTape() as tape:
            fooled = -tf.reduce_mean(self.discriminator(self.generator(noise)))
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(fooled, variables), variables)
        return {"fooled": fooled}


def adversarial(**options: Any) -> Any:
    model = Adversarial()
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.3), **options)
    return model


@pytest.mark.framework_case(FRAMEWORK, "train_step of one's own, two optimizers (GAN)")
@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
def test_the_gradients_of_a_layer_are_those_of_its_own_optimizer(run_eagerly: bool) -> None:
    noise, real = data()[0], data()[0] + 1
    model, copy = adversarial(run_eagerly=run_eagerly), adversarial()
    copy.set_weights(model.get_weights())
    lstm, (gru, dense) = copy.generator.layers[0], copy.discriminator.layers
    of_gru, of_lstm = ([getattr(layer.cell, matrix).value for matrix in MATRICES] for layer in (gru, lstm))
    of_discriminator = [*of_gru, dense.kernel.value, dense.bias.value]
    with tf.GradientTape(persistent=True) as tape:
        fake = lstm(noise)
        last = [gru(fake), gru(real)]
        loss = tf.reduce_mean(dense(last[0])) - tf.reduce_mean(dense(last[1]))
    calls = [("generator/lstm", fake, loss, tape), *(("discriminator/gru", each, loss, tape) for each in last)]
    gradients = tape.gradient(loss, of_discriminator)
    weights = {name: [v.numpy() for v in of] for name, of in (("gru", of_gru), ("lstm", of_lstm))}
    for variable, gradient in zip(of_discriminator, gradients, strict=True):
        variable.assign_sub(0.3 * gradient)
    with tf.GradientTape(persistent=True) as second:
        fake = lstm(noise)
        fooled = gru(fake)
        loss = -tf.reduce_mean(dense(fooled))
    calls += [("generator/lstm/call_1", fake, loss, second), ("discriminator/gru/call_2", fooled, loss, second)]

    with capture_keras.attach(model, every=1, samples=None) as taps:
        model.fit(noise, real, batch_size=4, verbose=0, shuffle=False)
        records = {made.name: made for made in taps.collect(0)}
    assert len(records) == 5
    names = [name for name, *_ in calls]
    names[2] += "/call_1"
    for name, (_, output, of_loss, of_tape) in zip(names, calls, strict=True):
        sequences = records[name].sequences
        close(sequences["activation"], np.reshape(output, sequences["activation"].shape))
        gradient = of_tape.gradient(of_loss, output)
        close(sequences["output_gradient"], np.reshape(gradient, sequences["output_gradient"].shape))
    expected = {"discriminator/gru": ("gru", gradients), "generator/lstm": ("lstm", second.gradient(loss, of_lstm))}
    for name, (layer, of_layer) in expected.items():
        for number, matrix in enumerate(MATRICES):
            close(records[name].weights["forward"][matrix], weights[layer][number])
            close(records[name].weight_gradients["forward"][matrix], of_layer[number])


def test_both_optimizers_are_left_as_they_were() -> None:
    model = adversarial()
    optimizers = (model.optimizer, model.generator_optimizer, model.discriminator_optimizer)
    with capture_keras.attach(model, every=1, samples=None):
        assert all("apply" in vars(optimizer) for optimizer in optimizers)
    assert not any("apply" in vars(optimizer) for optimizer in optimizers)


CONDITIONALS = {"If", "StatelessIf", "Case", "StatelessCase", "Switch", "Merge"}


def conditionals(function: Any) -> list[str]:
    """The types of the conditional ops in the graph of a function, and in those of the functions that it calls."""
    definition = function.graph.as_graph_def(add_shapes=False)
    nodes = [*definition.node, *(node for called in definition.library.function for node in called.node_def)]
    return sorted(node.op for node in nodes if node.op in CONDITIONALS)


@pytest.mark.parametrize("optimizer", ["sgd", "mixed precision"])
def test_taps_put_no_conditional_into_the_graph(optimizer: str) -> None:
    """One in it, whatever it did, made each training step on a CPU up to a tenth slower."""
    counts, ops = [], []
    for tapped in (False, True):
        model = network()
        made = keras.optimizers.SGD(0.5)
        if optimizer == "mixed precision":
            made = keras.optimizers.LossScaleOptimizer(made)
        made.build(model.trainable_variables)
        x, y = (tf.constant(array) for array in data())

        def step(x: Any, y: Any, model: Any = model, made: Any = made) -> None:
            with tf.GradientTape() as tape:
                loss = made.scale_loss(squared_error(y, model(x, training=True)))
            made.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        taps = capture_keras.attach(model, every=1, samples=None, optimizer=made) if tapped else None
        function = tf.function(step).get_concrete_function(x, y)
        counts.append(conditionals(function))
        ops.append(len(function.graph.get_operations()))
        if taps is not None:
            taps.detach()
    assert ops[1] > ops[0]  # the taps are in it
    assert counts[1] == counts[0]
