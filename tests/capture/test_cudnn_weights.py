"""CuDNN weights against tf_keras's own conversion of them, and against what a layer computes with them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.capture import cudnn_weights

pytestmark = pytest.mark.tensorflow
tf_keras = pytest.importorskip("tf_keras")

from tf_keras.api._v1.keras.layers import CuDNNGRU, CuDNNLSTM  # noqa: E402  # as tf.compat.v1.keras has them
from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading  # noqa: E402

UNITS, INPUTS = 4, 3
CASES = [
    pytest.param(CuDNNLSTM, tf_keras.layers.LSTM, id="lstm"),
    pytest.param(CuDNNGRU, tf_keras.layers.GRU, id="gru"),
]


def perturbed(layer: Any) -> list[npt.NDArray[np.float32]]:
    """Weights in which no two numbers are the same, biases included; the layer has them afterwards."""
    generator = np.random.default_rng(3)
    weights = [generator.normal(size=weight.shape).astype(np.float32) for weight in layer.get_weights()]
    layer.set_weights(weights)
    return weights


def model_of(layer: Any) -> Any:
    model = tf_keras.Sequential([tf_keras.Input((5, INPUTS)), layer, tf_keras.layers.Dense(2, name="head")])
    model.compile("sgd", "mse")
    return model


def captured(model: Any) -> Any:
    with pytest.warns(UserWarning, match=r"rnn_summary: only weights are recorded: '\w+' can't run here.*GPU"):
        (record,) = rnn_summary.capture(model, np.zeros((2, 5, INPUTS)), np.zeros((2, 2)))
    return record


@pytest.mark.framework_case("tf_keras", "weights of CuDNNLSTM and CuDNNGRU, in Keras's layout")
@pytest.mark.parametrize(("cudnn", "plain"), CASES)
def test_weights_are_those_that_tf_keras_loads_into_a_plain_layer(cudnn: Any, plain: Any) -> None:
    model = model_of(cudnn(UNITS))
    target = plain(UNITS)
    target.build((None, 5, INPUTS))
    kernel, recurrent, bias = preprocess_weights_for_loading(target, perturbed(model.layers[0]))
    record = captured(model)
    assert (record.cell, record.units, record.framework) == (cudnn.__name__[5:].lower(), UNITS, "tf_keras")
    assert not record.sequences
    assert not record.weight_gradients
    matrices = record.weights["forward"]
    np.testing.assert_array_equal(matrices["kernel"], kernel)
    np.testing.assert_array_equal(matrices["recurrent_kernel"], recurrent)
    assert matrices["bias"].shape == (2, kernel.shape[1])  # the two stay apart: an LSTM of Keras has their sum
    of_plain = matrices["bias"].sum(axis=0) if record.cell == "lstm" else matrices["bias"]
    np.testing.assert_allclose(of_plain, bias, rtol=1e-6)


@pytest.mark.framework_case("tf_keras", "weights of Bidirectional CuDNNLSTM, in Keras's layout")
def test_both_directions_are_converted() -> None:
    layer = tf_keras.layers.Bidirectional(CuDNNLSTM(UNITS), name="both")
    model = model_of(layer)
    target = tf_keras.layers.Bidirectional(tf_keras.layers.LSTM(UNITS))
    target.build((None, 5, INPUTS))
    weights = perturbed(layer)
    expected = preprocess_weights_for_loading(target, weights)
    record = captured(model)
    matrices = [record.weights[direction][m] for direction in record.directions for m in ("kernel", "recurrent_kernel")]
    for matrix, wanted in zip(matrices, [*expected[0:2], *expected[3:5]], strict=True):
        np.testing.assert_array_equal(matrix, wanted)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def as_cudnn_computes(layer: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The last output of a layer for one sample, by the equations of cuDNN's manual (cudnnRNNMode_t).

    The layer gives cuDNN the numbers of each gate's block one after the other; cuDNN reads them as a matrix that is
    multiplied from the left, (units, inputs) row by row. Its gates are i, f, c', o, and i, r, h'.
    """
    kernel, recurrent, bias = layer.get_weights()
    count = kernel.shape[1] // UNITS
    w = [block.flatten().reshape(UNITS, INPUTS) for block in np.split(kernel, count, axis=1)]
    r = [block.flatten().reshape(UNITS, UNITS) for block in np.split(recurrent, count, axis=1)]
    b_w, b_r = (np.split(half, count) for half in np.split(bias, 2))
    h = c = np.zeros(UNITS, np.float32)
    for x_t in x:
        of_input = [w_ @ x_t + b for w_, b in zip(w, b_w, strict=True)]
        of_state = [r_ @ h + b for r_, b in zip(r, b_r, strict=True)]
        if count == 4:
            i, f, candidate, o = (a + b for a, b in zip(of_input, of_state, strict=True))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
            h = sigmoid(o) * np.tanh(c)
        else:
            update, reset = (sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
            h = (1 - update) * np.tanh(of_input[2] + reset * of_state[2]) + update * h
    return np.asarray(h, np.float32)


@pytest.mark.framework_case("tf_keras", "weights of CuDNNLSTM and CuDNNGRU, run in LSTM and GRU")
@pytest.mark.parametrize(("cudnn", "plain"), CASES)
def test_a_plain_layer_computes_the_same_with_them(cudnn: Any, plain: Any) -> None:
    model = model_of(cudnn(UNITS))
    perturbed(model.layers[0])
    kernel, recurrent, bias = captured(model).weights["forward"].values()
    other = model_of(plain(UNITS, recurrent_activation="sigmoid"))
    other.layers[0].set_weights([kernel, recurrent, bias.sum(axis=0) if plain is tf_keras.layers.LSTM else bias])
    x = np.random.default_rng(4).normal(size=(2, 5, INPUTS)).astype(np.float32)
    expected = [as_cudnn_computes(model.layers[0], sample) for sample in x]
    np.testing.assert_allclose(other.layers[0](x), expected, rtol=1e-5, atol=1e-6)


def test_other_layers_are_none() -> None:
    class CuDNNLSTM(tf_keras.layers.LSTM):  # type: ignore[name-defined]  # of the user's own
        """Of that name, but with weights of a plain one."""

    assert cudnn_weights.cell(CuDNNLSTM(UNITS)) is None
    assert cudnn_weights.cell(tf_keras.layers.LSTM(UNITS)) is None
