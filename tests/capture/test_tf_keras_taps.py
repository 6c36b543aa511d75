"""What taps on tf_keras models record in a training loop and in fit, against a GradientTape on an untouched clone."""

from pathlib import Path

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.usefixtures("seeded_tf_keras"),
    pytest.mark.filterwarnings("ignore:rnn_summary. the gradient through time"),
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tb_rnn_plugin.capture.tf_keras import entry as capture_tf_keras  # noqa: E402
from tests.capture.tensorflow_network import (  # noqa: E402
    FIT_MODES,
    LOOPS,
    Expected,
    ExpectedOfTwoCalls,
    called_twice,
    check_kept_inputs,
    data,
    encoder_and_decoder,
)
from tests.capture.tf_keras_network import case, clone, each_expected, network, sgd, slow, train_step  # noqa: E402


@case("LSTM, Bidirectional GRU and SimpleRNN in a loop of one's own, eager, tf.function or XLA")
@pytest.mark.parametrize(
    ("loop", "legacy", "minimize"),
    [
        ("eager", False, False),
        ("eager", True, True),
        ("function", False, True),
        slow("function", True, False),
        slow("xla", False, False),
    ],
)
def test_loop_with_changing_shapes(loop: str, legacy: bool, minimize: bool) -> None:
    model, optimizer = network(), sgd(legacy)
    batches = [data(samples, timesteps) for samples, timesteps in ((4, 6), (3, 8), (3, 8))]
    expected = list(each_expected(model, batches, legacy=legacy))
    recorded = []
    with rnn_summary.attach(model, every=1, samples=2, optimizer=optimizer) as taps:
        step = LOOPS[loop](train_step(model, optimizer, minimize=minimize))
        for index, (x, y) in enumerate(batches):
            step(tf.constant(x), tf.constant(y))
            records = taps.collect(index)
            if records:
                expected[index].check(records, model)
                recorded.append(index)
    # XLA has to know beforehand how much room is needed: longer sequences are recorded from their second time on.
    assert recorded == ([0, 2] if loop == "xla" else [0, 1, 2])


@case("fit: compiled, XLA, run_eagerly or several steps at once")
@pytest.mark.parametrize("mode", ["eager", slow("default"), slow("two steps at once"), slow("xla")])
def test_fit_with_a_smaller_last_batch(mode: str, tmp_path: Path) -> None:
    model = network()
    x, y = data(10)
    expected = list(each_expected(model, [(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]))
    model.compile(sgd(), "mse", **FIT_MODES[mode])
    callback = rnn_summary.KerasCallback(tmp_path, every=1, samples=None)
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[callback], validation_data=data(3, seed=1))
    by_step: dict[int, list[LayerRecord]] = {}
    for step, record in rnn_summary.read(tmp_path):
        by_step.setdefault(step, []).append(record)
    assert list(by_step) == ([1, 2] if mode == "two steps at once" else [0, 1, 2])
    for step, records in by_step.items():
        expected[step].check(records, model)


def test_of_data_of_unknown_length_every_epoch_is_written(tmp_path: Path) -> None:
    model = network()
    model.compile(sgd(), "mse")
    batches = tf.data.Dataset.from_tensor_slices(data(6)).batch(2).filter(lambda *_: True)
    model.fit(batches, epochs=2, callbacks=[rnn_summary.KerasCallback(tmp_path, every=2)], verbose=0)
    assert sorted({step for step, _ in rnn_summary.read(tmp_path)}) == [0, 2, 4]


@case("Bidirectional, merge_mode ave, mul and None")
@pytest.mark.parametrize("merge_mode", ["ave", "mul", None])
def test_merge_modes_that_mix_the_directions(merge_mode: str | None) -> None:
    model, (x, y), optimizer = network(merge_mode), data(3), sgd()
    expected = Expected(clone(model), x, y)
    with rnn_summary.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        train_step(model, optimizer)(x, y)
        expected.check(taps.collect(0), model)


@pytest.mark.slow
@case("capture with a loss by name, as an object or a callable, with sample weights")
def test_one_batch_gives_the_same_as_taps() -> None:
    model, (x, y) = network(), data(4)
    expected = Expected(clone(model), x, y)
    for loss in ("mse", tf_keras.losses.MeanSquaredError(), lambda y, p: (y - p) ** 2):
        expected.check(rnn_summary.capture(model, x, y, loss=loss), model)
    doubled = rnn_summary.capture(model, x, y, loss=lambda y, p: (y - p) ** 2, sample_weight=np.full(4, 2.0))
    np.testing.assert_allclose(
        doubled[0].sequences["output_gradient"], 2 * expected.output_gradients["encoder"], rtol=1e-4, atol=1e-7
    )


@case("a layer called twice")
@pytest.mark.parametrize("loop", ["eager", "function"])
def test_a_layer_called_twice_has_a_record_a_call(loop: str) -> None:
    model, optimizer = called_twice(tf_keras), sgd()
    (x, y), (x2, _) = data(3), data(3, seed=1)
    expected = ExpectedOfTwoCalls(clone(model), x, x2, y)
    with rnn_summary.attach(model, every=1, samples=4, optimizer=optimizer) as taps:
        LOOPS[loop](train_step(model, optimizer))([x, x2], y)
        expected.check(taps.collect(0))


@case("returned states, in an encoder and decoder; masking")
@pytest.mark.parametrize("loop", ["eager", "function"])
def test_inputs_masks_and_initial_states_are_kept(loop: str) -> None:
    model, (x, y), optimizer = encoder_and_decoder(tf_keras), data(3), sgd()
    x[1, 4:] = 0
    untouched = clone(model)
    with capture_tf_keras.attach(model, every=1, samples=4, optimizer=optimizer, keep_inputs=True) as taps:
        LOOPS[loop](train_step(model, optimizer))(x, y)
        encoder = taps.take()[0]
        kept = taps.inputs  # type: ignore[attr-defined]
    check_kept_inputs(tf_keras, kept, untouched, x)
    # Only the encoder's states are used: the gradient of its last one is that of its output.
    np.testing.assert_array_equal(encoder.sequences["output_gradient"][:, -1], kept["encoder"]["state_gradient/0"])
    assert encoder.sequences["output_gradient"].any()


@case("mixed precision with a LossScaleOptimizer")
@pytest.mark.parametrize("legacy", [False, slow(True)])
def test_the_loss_scale_is_taken_out(legacy: bool) -> None:
    model = network(dtype="mixed_float16")
    (x, y), untouched = data(4), network()
    untouched.set_weights(model.get_weights())
    inner = (tf_keras.optimizers.legacy if legacy else tf_keras.optimizers).SGD(0.0)
    # The scale doubles after each step: dividing by the one after it would be wrong by a factor of two.
    optimizer = tf_keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=8, dynamic_growth_steps=1)
    model.compile(optimizer, "mse")
    expected = Expected(untouched, x, y)
    with rnn_summary.attach(model, every=1) as taps:
        for step in range(2):
            model.train_on_batch(x, y)
            expected.check(taps.collect(step), model, rtol=1e-2, atol=1e-3)
    assert float(optimizer.loss_scale) == 32
    expected.check(rnn_summary.capture(model, x, y), model, rtol=1e-2, atol=1e-3)
