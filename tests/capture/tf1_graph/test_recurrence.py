"""Gradients through time in TensorFlow 1's graph mode, against tf.gradients through loops in a graph of their own."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.own_process,
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed"),  # tf_keras's own, in predict
]
tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from tests.capture.completion import done  # noqa: E402
from tests.capture.tf1_graph import network  # noqa: E402
from tests.capture.tf1_graph.network import layers  # noqa: E402

Array = npt.NDArray[Any]
Tensor = Any
#: For each direction its states.
States = Sequence[Sequence[Array]]

SAMPLES, TIMESTEPS, INPUTS, UNITS = 3, 4, 3, 4
# True where there is a step: a gap, a late beginning, an early end.
MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0]], bool)
KEPT = 2
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
EVERYTHING = ("activation", "output_gradient", *sorted(CAPTURED_QUANTITIES))
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}


def random(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, and what it is given."""

    kind: str
    both: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    masked: bool = False
    by_hand: bool = False
    starts: bool = False

    def model(self) -> Any:
        layer = getattr(layers, self.kind)(UNITS, name="layer", **self.options)
        if self.both:
            layer = layers.Bidirectional(layer, name="both")
        # A stateful layer takes batches of one size.
        inputs = [layers.Input((TIMESTEPS, INPUTS), batch_size=SAMPLES if self.options.get("stateful") else None)]
        x = layers.Masking()(inputs[0]) if self.masked and not self.by_hand else inputs[0]
        x = self._with_time_first(x)
        inputs += [layers.Input((UNITS,)) for _ in self.initial()]
        if self.by_hand:
            inputs.append(layers.Input((TIMESTEPS,), dtype="bool"))
            output = layer(x, mask=inputs[1])
        else:
            output = layer(x, initial_state=inputs[1:]) if self.starts else layer(x)
        output = layers.Lambda(tf.identity)(self._with_time_first(output))  # of which the loss sees no mask
        model = tf_keras.Model(inputs, output)
        model.compile(tf_keras.optimizers.legacy.SGD(0.5), loss=loss_of)
        return model

    def _with_time_first(self, x: Tensor) -> Tensor:
        """For a layer that takes and gives it so; and back again."""
        return layers.Lambda(lambda x: tf.transpose(x, [1, 0, 2]))(x) if self.options.get("time_major") else x

    def initial(self) -> list[Array]:
        return [random(SAMPLES, UNITS, seed=5 + index) for index in range(STATES[self.kind])] if self.starts else []

    def x(self, batch: int = 0) -> Array:
        x = random(SAMPLES, TIMESTEPS, INPUTS, seed=1 + 100 * batch)
        if self.masked:
            x[~MASK] = 0
        return x

    def batch(self, number: int = 0) -> tuple[Any, Array]:
        x, initial = self.x(number), self.initial()
        given = [x, *initial, *[MASK] * self.by_hand]
        return given if len(given) > 1 else x, np.zeros((SAMPLES, 1), np.float32)


def loss_of(_: Tensor, prediction: Tensor) -> Tensor:
    """Of each sample."""
    row = tf.reshape(prediction, [tf.shape(prediction)[0], -1])
    return tf.reduce_sum(tf.linspace(0.5, 2.0, tf.shape(row)[1]) * row**2 + 0.3 * row, axis=-1)


def step(
    kind: str, weights: list[Array], options: Mapping[str, Any], x: Tensor, states: list[Tensor], here: Tensor
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """One timestep of a cell of tf_keras: its states, which are held where it isn't `here`, and the gates' values."""

    def held(new: Tensor, index: int = 0) -> Tensor:
        return tf.where(here, new, tf.identity(states[index]))

    kernel, recurrent, bias = map(tf.constant, weights)
    h = states[0]
    if kind == "SimpleRNN":
        return [held(tf.tanh(x @ kernel + h @ recurrent + bias))], {}
    if kind == "LSTM":
        i, f, g, o = tf.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
        gates = {"input": tf.sigmoid(i), "forget": tf.sigmoid(f), "cell": tf.tanh(g), "output": tf.sigmoid(o)}
        c = held(gates["forget"] * states[1] + gates["input"] * gates["cell"], 1)
        return [held(gates["output"] * tf.tanh(c)), c], gates
    after = options.get("reset_after", True)
    of_input, of_state = (bias[0], bias[1]) if after else (bias, tf.zeros_like(bias))
    x_update, x_reset, x_candidate = tf.split(x @ kernel + of_input, 3, axis=-1)
    u_update, u_reset, u_candidate = tf.split(recurrent, 3, axis=-1)
    b_update, b_reset, b_candidate = tf.split(of_state, 3, axis=-1)
    update, reset = tf.sigmoid(x_update + h @ u_update + b_update), tf.sigmoid(x_reset + h @ u_reset + b_reset)
    of_h = reset * (h @ u_candidate + b_candidate) if after else (reset * h) @ u_candidate
    candidate = tf.tanh(x_candidate + of_h)
    return [held(update * h + (1 - update) * candidate)], {"update": update, "reset": reset, "candidate": candidate}


def expected(of: Case, weights: list[Array], batch: int = 0, held: States = ()) -> tuple[dict[str, Array], States]:
    """Quantity to what is to be recorded, (samples, timesteps, channels), and the states that each direction ends in.

    Args:
        of: The case.
        weights: Of the layer, as tf_keras gives them.
        batch: Which batch it is.
        held: The states in which each direction ended before.
    """
    halves = range(1 + of.both)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        starts = held or [of.initial() or [np.zeros((SAMPLES, UNITS), np.float32)] * STATES[of.kind] for _ in halves]
        made = [
            _unrolled(of, weights[3 * half :][:3], tf.constant(of.x(batch)), starts[half], backward=bool(half))
            for half in halves
        ]
        outputs = [output for output, _, _ in made]
        loss = tf.reduce_mean(loss_of(None, tf.concat(outputs, axis=-1)))
        nodes: dict[str, list[Tensor]] = {}
        for _, states, _ in made:
            by_name = {name: tf.stack(values, axis=1) for name, values in states.items()}
            for name, state in (("bptt_gradient", "activation"), ("cell_state_gradient", "cell_state")):
                gradients = tf.gradients(loss, states.get(state, []), unconnected_gradients="zero")
                by_name |= {name: tf.stack(gradients, axis=1)} if gradients else {}
            for name, values in by_name.items():
                nodes.setdefault(name, []).append(values)
        ends: States
        arrays: dict[str, Array]
        arrays, ends = session.run(
            ({name: tf.concat(values, axis=-1) for name, values in nodes.items()}, [end for _, _, end in made])
        )
    del arrays["activation"]  # of masked steps the layer gives out something else
    return arrays, ends


def _unrolled(
    of: Case, weights: list[Array], x: Tensor, starts: Sequence[Array], *, backward: bool
) -> tuple[Tensor, dict[str, list[Tensor]], list[Tensor]]:
    """A direction's output, its states and gates in the order of its recorded timesteps, and the states at its end."""
    states = [tf.constant(state) for state in starts]
    names = ("activation", "cell_state")
    went: dict[str, list[Tensor]] = {}
    order = range(TIMESTEPS)[:: -1 if backward or of.options.get("go_backwards") else 1]
    for t in order:
        here = tf.constant(MASK[:, t, None] if of.masked else np.ones((SAMPLES, 1), bool))
        states, gates = step(of.kind, weights, of.options, x[:, t], states, here)
        acting = {f"gate/{gate}": tf.where(here, value, tf.zeros_like(value)) for gate, value in gates.items()}
        for name, value in {**dict(zip(names, states, strict=False)), **acting}.items():
            went.setdefault(name, []).append(value)
    if backward:
        went = {name: values[::-1] for name, values in went.items()}
    hidden = went["activation"]
    if of.options.get("return_sequences"):
        # Bidirectional gives out zeros for a masked step, others the output before it, and zeros before the first.
        seen = MASK if of.both else np.logical_or.accumulate(MASK[:, list(order)], axis=1)
        given_out = [tf.where(seen[:, t, None], h, tf.zeros_like(h)) if of.masked else h for t, h in enumerate(hidden)]
        return tf.stack(given_out, axis=1), went, states
    return hidden[0 if backward else -1], went, states


def check(record: LayerRecord, wanted: Mapping[str, Array]) -> None:
    assert set(record.sequences) == {"activation", "output_gradient", *wanted}
    for quantity, values in wanted.items():
        computed = record.sequences[quantity]
        np.testing.assert_allclose(computed, values[: len(computed)], **TOLERANCE, err_msg=quantity)


SEQUENCES = {"return_sequences": True}
CASES = {
    "LSTM": Case("LSTM", options=SEQUENCES),
    "LSTM, masked, last output only": Case("LSTM", masked=True),
    "GRU, reset_after=True, initial state": Case("GRU", options=SEQUENCES, starts=True),
    "GRU, reset_after=False, masked": Case("GRU", options={**SEQUENCES, "reset_after": False}, masked=True),
    "LSTM, masked by hand": Case("LSTM", options=SEQUENCES, masked=True, by_hand=True),
    "SimpleRNN, go_backwards": Case("SimpleRNN", options={**SEQUENCES, "go_backwards": True}),
    "Bidirectional LSTM, masked": Case("LSTM", both=True, options=SEQUENCES, masked=True),
    "GRU, time_major": Case("GRU", options={**SEQUENCES, "time_major": True}),
}
STATEFUL = {**SEQUENCES, "stateful": True}
STATEFUL_CASES = {
    "LSTM, stateful": Case("LSTM", options=STATEFUL),
    "GRU, stateful, masked": Case("GRU", options=STATEFUL, masked=True),
    "Bidirectional LSTM, stateful": Case("LSTM", both=True, options=STATEFUL),
    "LSTM, stateful, initial state": Case("LSTM", options=STATEFUL, starts=True),
}


def case(name: str, of: Case) -> Any:
    named = f"gradient through time: {name}"
    return pytest.param(of, id=named, marks=network.case(named))


@pytest.mark.parametrize("of", [case(name, of) for name, of in CASES.items()])
def test_as_autograd_through_the_unrolled_loop(of: Case) -> None:
    model = of.model()
    wanted, _ = expected(of, model.get_weights())
    (record,) = rnn_summary.capture(model, *of.batch())
    check(record, wanted)
    with rnn_summary.attach(model, every=1, samples=KEPT, quantities=EVERYTHING) as taps:
        model.train_on_batch(*of.batch())  # which changes the weights
        (record,) = taps.collect(0)
    record = done(record)
    assert len(record.sequences["bptt_gradient"]) == KEPT
    check(record, wanted)


@pytest.mark.parametrize("of", [case(name, of) for name, of in STATEFUL_CASES.items()])
def test_a_stateful_layer_goes_on_from_its_states(of: Case) -> None:
    model = of.model()
    held: States = ()
    with rnn_summary.attach(model, every=1, samples=KEPT, quantities=EVERYTHING) as taps:
        for batch in range(4):
            if batch == 2:  # behind the back of the taps, which are on already
                model.reset_states()
                held = ()
            wanted, held = expected(of, model.get_weights(), batch, held)
            (record,) = rnn_summary.capture(model, *of.batch(batch))  # which leaves the states as they are
            check(record, wanted)
            model.train_on_batch(*of.batch(batch))
            (record,) = taps.collect(batch)
            check(done(record), wanted)


def test_of_what_a_layer_is_given_the_kept_samples_are_fetched() -> None:
    of = CASES["GRU, reset_after=True, initial state"]
    model = of.model()
    (x, initial), y = of.batch()
    with rnn_summary.attach(model, every=1, samples=KEPT):
        model.train_on_batch([x, initial], y)
        (target,) = model._feed_targets
        feeds = {**dict(zip(model.inputs, [x, initial], strict=True)), target: np.zeros((SAMPLES, 1, 1))}
        shapes = [array.shape for array in network.run(model.train_function.fetches, feeds)]
    whole = [(SAMPLES, TIMESTEPS, UNITS)] * 2  # the activation and its gradient: statistics are of the whole batch
    matrices = [(INPUTS, 3 * UNITS), (UNITS, 3 * UNITS), (2, 3 * UNITS)]
    assert sorted(shapes) == sorted([*whole, (KEPT, TIMESTEPS, INPUTS), (KEPT, UNITS), *matrices])


def test_written_by_the_callback_and_read_back(tmp_path: Path) -> None:
    of = CASES["LSTM"]
    model = of.model()
    wanted, _ = expected(of, model.get_weights())
    model.fit(
        *of.batch(),
        batch_size=SAMPLES,
        shuffle=False,
        verbose=0,
        callbacks=[
            rnn_summary.KerasCallback(tmp_path / "taps", every=1, samples=KEPT),
            rnn_summary.KerasCallback(tmp_path / "probe", every=1, samples=KEPT, probe=of.batch()),
        ],
    )
    for directory in ("taps", "probe"):
        ((_, record),) = rnn_summary.read(tmp_path / directory)
        for quantity in ("bptt_gradient", "cell_state", "gate/forget"):
            np.testing.assert_allclose(record.sequences[quantity], wanted[quantity][:KEPT], **TOLERANCE)


def test_only_what_is_asked_for_is_computed() -> None:
    of = CASES["LSTM"]
    model = of.model()
    for quantities, bptt, wanted in (
        (("gate/forget",), True, {"gate/forget"}),
        (("activation", "output_gradient"), True, {"activation", "output_gradient"}),
        (("activation", "output_gradient"), False, {"activation", "output_gradient"}),
    ):
        with rnn_summary.attach(model, every=1, quantities=quantities, bptt=bptt) as taps:
            model.train_on_batch(*of.batch())
            (record,) = taps.collect(0)
        assert set(done(record).sequences) == wanted
        assert not record.weights
    (without,) = rnn_summary.capture(model, *of.batch(), bptt=False)
    assert set(without.sequences) == {"activation", "output_gradient"}


def test_what_cannot_be_computed_is_said_once_with_the_reason() -> None:
    inputs = layers.Input((TIMESTEPS, INPUTS))
    model = tf_keras.Model(inputs, layers.LSTM(UNITS, name="layer", dropout=0.3)(inputs))
    model.compile(tf_keras.optimizers.legacy.SGD(0.5), loss=loss_of)
    with rnn_summary.attach(model, every=1) as taps:
        model.train_on_batch(*CASES["LSTM"].batch())
        with pytest.warns(UserWarning, match="of 'layer' are left out: dropout=0.3 acts inside the cell"):
            (record,) = taps.collect(0)
        model.train_on_batch(*CASES["LSTM"].batch())
        taps.collect(1)  # a warning would be an error
    assert record.recurrence is None
