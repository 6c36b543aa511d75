"""The gradient of a Keras layer's inputs and the reach of its states, against TensorFlow's own tape.

The gradient by way of one direction is that of the loss when the other one's output is a constant.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")]
pytest.importorskip("tensorflow")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tb_rnn_plugin import rnn_summary  # noqa: E402
from tests.capture.keras_cases import (  # noqa: E402
    INPUTS,
    MASK,
    SAMPLES,
    SEQUENCES,
    TIMESTEPS,
    UNITS,
    Net,
    loss_of,
    net,
    together,
)
from tests.capture.unrolled_keras import unroll  # noqa: E402

# As many as `reach` is said to be estimated with, of a generator that starts anew for each quantity.
COTANGENTS, SEED = 16, 0

Array = np.ndarray[Any, Any]


def recorded(made: Net, quantities: tuple[str, ...], directory: Path) -> rnn_summary.LayerRecord:
    """Written in fit, and read."""
    callback = rnn_summary.KerasCallback(directory, every=1, quantities=quantities)
    made.model.fit(made.x, made.y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[callback])
    ((_, record),) = rnn_summary.read(directory)
    assert set(record.sequences) == set(quantities)
    return record


def gradient_by_direction(made: Net) -> Array:
    """By the layers themselves, each direction called on its own."""
    x = tf.constant(made.x)
    mask = tf.constant(MASK) if made.masked else None
    found = []
    for which in range(len(made.halves)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = [half(x, mask=mask) for half in made.halves]
            # Keras has a backward layer return its steps as it ran.
            outputs = [output[:, ::-1] if at and output.ndim == 3 else output for at, output in enumerate(outputs)]
            outputs = [output if at == which else tf.stop_gradient(output) for at, output in enumerate(outputs)]
            summed = getattr(made.layer, "merge_mode", "concat") == "sum"
            loss = loss_of(None, together([outputs[0] + outputs[1] if summed else tf.concat(outputs, axis=-1)]))
        found.append(np.asarray(tape.gradient(loss, x)))
    return np.concatenate(found, axis=-1)


def case(measured: str, name: str, *values: Any) -> Any:
    title = f"{measured}: {name}"
    return pytest.param(*values, id=name, marks=pytest.mark.framework_case("Keras 3 on TensorFlow", title))


MASKED = {"masked": True}
OF_INPUTS = [
    *(case("gradient of the inputs", kind, kind, SEQUENCES, {}, ...) for kind in ("LSTM", "GRU", "SimpleRNN")),
    case("gradient of the inputs", "LSTM, masked", "LSTM", SEQUENCES, MASKED, ...),
    case("gradient of the inputs", "GRU, go_backwards", "GRU", {**SEQUENCES, "go_backwards": True}, {}, ...),
    case("gradient of the inputs", "LSTM, return_sequences=False", "LSTM", {}, {}, ...),
    case("gradient of the inputs", "Bidirectional LSTM", "LSTM", SEQUENCES, {}, "concat"),
    case("gradient of the inputs", "Bidirectional GRU, merge_mode=sum", "GRU", SEQUENCES, {}, "sum"),
    case("gradient of the inputs", "Bidirectional LSTM, return_sequences=False", "LSTM", {}, {}, "concat"),
]


@pytest.mark.parametrize(("kind", "options", "of_net", "mode"), OF_INPUTS)
def test_input_gradient_is_the_tapes(
    kind: str, options: dict[str, Any], of_net: dict[str, Any], mode: Any, tmp_path: Path
) -> None:
    made = net(kind, options, of_net, mode)()
    wanted = gradient_by_direction(made)
    record = recorded(made, ("activation", "input_gradient"), tmp_path)
    found = record.sequences["input_gradient"]
    assert found.shape == (SAMPLES, TIMESTEPS, INPUTS * len(record.directions))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    x = tf.constant(made.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(None, made.model(x))
    total = sum(found[..., record.channels(direction, "input_gradient")] for direction in record.directions)
    np.testing.assert_allclose(total, tape.gradient(loss, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "masked"),
    [
        case("reach", f"{kind}{', masked' * masked}", kind, masked)
        for kind in ("LSTM", "GRU")
        for masked in (False, True)
    ],
)
def test_reach_is_the_norm_of_the_tapes_jacobian(kind: str, masked: bool, tmp_path: Path) -> None:
    made = net(kind, SEQUENCES, {"masked": masked})()
    record = recorded(made, ("reach", "reach/3"), tmp_path)
    states = [tf.zeros((SAMPLES, UNITS))] * (2 if kind == "LSTM" else 1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(states)
        went = unroll(made.layer, tf.constant(made.x), states, tf.constant(MASK) if masked else None)
    for quantity, timestep in (("reach", TIMESTEPS - 1), ("reach/3", 3)):
        drawn = np.random.default_rng(SEED).standard_normal((COTANGENTS, SAMPLES, UNITS))
        wanted, exact = np.zeros((2, SAMPLES, TIMESTEPS))
        # No sample depends on another: one way back from a unit is a row of the Jacobian of each.
        units = tf.one_hot(range(UNITS), UNITS)
        target, sources = went.hidden[timestep], went.hidden[: timestep + 1]
        rows = [tape.gradient(target, sources, tf.tile(unit[None], [SAMPLES, 1])) for unit in units]
        for t, of_units in enumerate(zip(*rows, strict=True)):
            for sample in range(SAMPLES):
                jacobian = np.stack([row[sample] for row in of_units])
                exact[sample, t] = np.linalg.norm(jacobian)
                wanted[sample, t] = np.sqrt(np.square(drawn[:, sample] @ jacobian).sum(axis=-1).mean())
        found = record.sequences[quantity][..., 0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found, exact, rtol=0.6, atol=1e-5)  # an estimate by 16 cotangents


def test_a_probe_gives_them_too(tmp_path: Path) -> None:
    made = net("LSTM", SEQUENCES, {}, "concat")()
    wanted = gradient_by_direction(made)
    made.model.compile(keras.optimizers.SGD(0.0), loss=loss_of)
    quantities = ("input_gradient", "reach", "reach/9")
    callback = rnn_summary.KerasCallback(tmp_path, every=1, quantities=quantities, probe=(made.x, made.y))
    with pytest.warns(UserWarning, match=r"'reach/9' of 'layer' is left out: the sequence has no timestep 9"):
        made.model.fit(made.x, made.y, batch_size=SAMPLES, verbose=0, callbacks=[callback])
    ((_, record),) = rnn_summary.read(tmp_path)
    assert set(record.sequences) == {"input_gradient", "reach"}
    np.testing.assert_allclose(record.sequences["input_gradient"], wanted, rtol=1e-5, atol=1e-5)
