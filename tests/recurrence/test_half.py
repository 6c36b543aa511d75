"""One direction of a layer, against a loop written out number by number and central differences of its loss."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin.recurrence.half import CannotDerive, Half, Traits
from tb_rnn_plugin.recurrence.layer import QUANTITIES, Recurrence

Array = np.ndarray[Any, Any]

SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 4, 2, 3
EPS = 1e-6
BLOCKS = {"lstm": ("input", "forget", "cell", "output"), "gru": ("update", "reset", "candidate"), "rnn": ("",)}
MASK = np.array([[False, True, False, True], [True, True, True, False]])


def sigmoid(z: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-z))
    return value


@dataclasses.dataclass
class Net:
    """A cell in float64, and a loss on all its outputs and its last states."""

    cell: str
    gates: tuple[str, ...]
    reset_after: bool = True
    projection: int | None = None
    masked: bool = False

    def __post_init__(self) -> None:
        rng = np.random.default_rng(len(self.cell) + 7 * self.reset_after)
        self.width = self.projection or UNITS
        self.x = rng.standard_normal((SAMPLES, TIMESTEPS, INPUTS))
        self.initial = [rng.standard_normal((SAMPLES, width)) for width in (self.width, UNITS)]
        self.kernels = {gate: rng.standard_normal((INPUTS, UNITS)) for gate in self.gates}
        self.recurrent = {gate: rng.standard_normal((self.width, UNITS)) for gate in self.gates}
        self.biases = {gate: rng.standard_normal((2, UNITS)) for gate in self.gates}
        self.projecting = rng.standard_normal((UNITS, self.width))
        self.of_output = rng.standard_normal((SAMPLES, TIMESTEPS, self.width))
        self.of_last = [rng.standard_normal(state.shape) for state in self.initial]

    @property
    def has_two_biases(self) -> bool:
        return self.cell != "gru" or self.reset_after

    def before(self, gate: str, x: Array, h: Array) -> Array:
        bias = self.biases[gate].sum(0) if self.has_two_biases else self.biases[gate][0]
        made: Array = x @ self.kernels[gate] + h @ self.recurrent[gate] + bias
        return made

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """h_t, if c_t isn't moved, from c_t; and c_t."""
        if self.cell == "rnn":
            return np.tanh(self.before("", x, h)), c
        if self.cell == "gru":
            update, reset = sigmoid(self.before("update", x, h)), sigmoid(self.before("reset", x, h))
            kernel, recurrent, bias = (of["candidate"] for of in (self.kernels, self.recurrent, self.biases))
            if self.reset_after:
                candidate = np.tanh(x @ kernel + bias[0] + reset * (h @ recurrent + bias[1]))
            else:
                candidate = np.tanh(x @ kernel + bias[0] + (reset * h) @ recurrent)
            return update * h + (1 - update) * candidate, c
        i, f, o = (sigmoid(self.before(gate, x, h)) for gate in ("input", "forget", "output"))
        return o, f * c + i * np.tanh(self.before("cell", x, h))

    def loss(self, moved: dict[str, tuple[int, Array]] | None = None) -> float:
        """The loss; of states that are moved at one timestep, by something (samples, width)."""
        self.states: dict[str, list[Array]] = {"hidden": [], "cell_state": []}
        h, c = self.initial
        total = 0.0
        seen = np.zeros(SAMPLES, bool)
        for t in range(TIMESTEPS):
            here = MASK[:, t, None] if self.masked else np.ones((SAMPLES, 1), bool)
            seen = seen | here[:, 0]
            new_h, new_c = self.step(self.x[:, t], h, c)
            c = np.where(here, new_c, c) + self.moving(moved, "cell_state", t)
            if self.cell == "lstm":
                new_h = new_h * np.tanh(c)
                new_h = new_h @ self.projecting if self.projection else new_h
            h = np.where(here, new_h, h) + self.moving(moved, "hidden", t)
            self.states["hidden"].append(h)
            self.states["cell_state"].append(c)
            # What Keras returns of a masked step is the output before it, and zeros before the first.
            total += float((np.where(seen[:, None], h, 0) * self.of_output[:, t]).sum())
        last = [h, c] if self.cell == "lstm" else [h]
        return total + float(sum((s * g).sum() for s, g in zip(last, self.of_last, strict=False)))

    @staticmethod
    def moving(moved: dict[str, tuple[int, Array]] | None, state: str, t: int) -> Array | float:
        at, by = (moved or {}).get(state, (-1, 0.0))
        return by if at == t else 0.0

    def differences(self, state: str) -> Array:
        """dL/dstate_t by central differences, (samples, timesteps, width)."""
        width = self.width if state == "hidden" else UNITS
        made = np.zeros((SAMPLES, TIMESTEPS, width))
        for index in np.ndindex(made.shape):
            sample, t, unit = index
            by = np.zeros((SAMPLES, width))
            by[sample, unit] = EPS
            made[index] = (self.loss({state: (t, by)}) - self.loss({state: (t, -by)})) / (2 * EPS)
        return made

    def input_differences(self) -> Array:
        made = np.zeros_like(self.x)
        for index in np.ndindex(made.shape):
            sides = []
            for sign in (1, -1):
                self.x[index] += sign * EPS
                sides.append(self.loss())
                self.x[index] -= sign * EPS
            made[index] = (sides[0] - sides[1]) / (2 * EPS)
        return made

    def half(self, **changes: Any) -> Half:
        self.loss()
        states = np.stack(self.states["hidden"], 1)
        gradient = self.of_output.copy()
        gradient[:, -1] += self.of_last[0]  # as captures have it
        mask = MASK if self.masked else None
        output = states if mask is None else np.where(np.logical_or.accumulate(mask, 1)[..., None], states, 0)
        joined = {
            name: np.concatenate([of[gate] for gate in self.gates], -1)
            for name, of in (("kernel", self.kernels), ("recurrent_kernel", self.recurrent), ("bias", self.biases))
        }
        if not self.has_two_biases:
            joined["bias"] = joined["bias"][0]
        if self.projection:
            joined["projection_kernel"] = self.projecting
        given: dict[str, Any] = {
            "traits": Traits(cell=self.cell, gates=self.gates, reset_after=self.reset_after),
            "weights": joined,
            "inputs": self.x,
            "mask": mask,
            "initial": self.initial[: 2 if self.cell == "lstm" else 1],
            "output": output,
            "output_gradient": gradient,
            "state_gradients": self.of_last[: 2 if self.cell == "lstm" else 1],
        }
        return Half(**{**given, **changes})


NETS = {
    "lstm": lambda **o: Net("lstm", BLOCKS["lstm"], **o),
    "lstm, gates in another order": lambda **o: Net("lstm", ("output", "cell", "input", "forget"), **o),
    "lstm, projection": lambda **o: Net("lstm", BLOCKS["lstm"], projection=2, **o),
    "gru": lambda **o: Net("gru", BLOCKS["gru"], **o),
    "gru, PyTorch's order": lambda **o: Net("gru", ("reset", "update", "candidate"), **o),
    "gru, reset before": lambda **o: Net("gru", BLOCKS["gru"], reset_after=False, **o),
    "rnn": lambda **o: Net("rnn", BLOCKS["rnn"], **o),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("last", [False, True], ids=["whole output", "last output"])
def test_gradients_are_central_differences_of_the_loss(name: str, masked: bool, last: bool) -> None:
    net = NETS[name](masked=masked)
    if last:
        net.of_output[:, :-1] = 0
    half = net.half()
    if last:  # it has to be run step by step
        half = dataclasses.replace(half, output=half.output[:, -1:], output_gradient=half.output_gradient[:, -1:])  # type: ignore[index]
    np.testing.assert_allclose(half.hidden_gradient(), net.differences("hidden"), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(half.input_gradient(), net.input_differences(), rtol=1e-6, atol=1e-8)
    if net.cell == "lstm":
        found = half.cell_state_gradient()
        assert found is not None
        np.testing.assert_allclose(found, net.differences("cell_state"), rtol=1e-6, atol=1e-8)
        net.loss()
        cell_state = half.cell_state()
        assert cell_state is not None
        np.testing.assert_allclose(cell_state, np.stack(net.states["cell_state"], 1), rtol=1e-12)


def test_gates_are_zero_where_a_step_is_masked() -> None:
    gates = NETS["gru"](masked=True).half().gates()
    assert set(gates) == set(BLOCKS["gru"])
    for values in gates.values():
        assert (values[~MASK] == 0).all()
        assert (values[MASK] != 0).all()


def test_one_sample_with_a_mask_leaves_what_was_recorded_as_it_is() -> None:
    both = NETS["gru"](masked=True).half()
    one = {name: getattr(both, name)[:1] for name in ("inputs", "output", "output_gradient", "mask")}
    one |= {name: [state[:1] for state in getattr(both, name)] for name in ("initial", "state_gradients")}
    one["output"] = np.ascontiguousarray(one["output"])
    before = one["output"].copy()
    one["output"].flags.writeable = False  # as that of a record is
    half = dataclasses.replace(both, **one)
    np.testing.assert_allclose(half.hidden_gradient(), both.hidden_gradient()[:1], rtol=1e-12)
    np.testing.assert_array_equal(one["output"], before)


def test_padding_is_zero_everywhere() -> None:
    net = NETS["lstm"]()
    mask = np.array([[True, True, False, False], [True] * 4])
    half = net.half(mask=mask, traits=Traits(cell="lstm", gates=net.gates, padded=True, zero_output_for_mask=True))
    made = Recurrence(halves={"forward": half}, quantities=frozenset(QUANTITIES)).sequences()
    assert len(made) == 9
    for quantity, values in made.items():
        assert (values[0, 2:] == 0).all(), quantity
        assert (values[0, :2] != 0).all(), quantity


def test_what_was_recorded_and_what_follows_have_to_agree() -> None:
    half = NETS["lstm"]().half()
    for changes in (
        {"inputs": half.inputs * 1.1},
        {"weights": {**half.weights, "bias": half.weights["bias"] + 0.1}},
        {"traits": dataclasses.replace(half.traits, activation="softsign")},
        {"traits": dataclasses.replace(half.traits, recurrent_activation="hard_sigmoid")},
    ):
        with pytest.raises(CannotDerive, match="is not the recorded one"):
            dataclasses.replace(half, **changes).gates()
        with pytest.raises(CannotDerive, match="is not the recorded one"):
            dataclasses.replace(half, output=half.output[:, -1:], **changes).gates()


def test_arrays_that_do_not_fit_are_said() -> None:
    half = NETS["rnn"]().half()
    with pytest.raises(CannotDerive, match="doesn't fit together"):
        dataclasses.replace(half, inputs=half.inputs[:, :, :1]).gates()
    with pytest.raises(CannotDerive, match="doesn't fit together"):
        dataclasses.replace(half, weights={}).gates()


def test_half_precision_is_allowed_its_rounding() -> None:
    half = NETS["gru"]().half()
    changed = half.output * 1.03
    dataclasses.replace(half, output=changed.astype(np.float16).astype(np.float32)).gates()
    with pytest.raises(CannotDerive):
        dataclasses.replace(half, output=changed.astype(np.float32)).gates()


def test_a_net_that_diverged_is_shown_as_it_is() -> None:
    net = NETS["lstm"]()
    net.kernels["forget"][:] = np.nan
    made = Recurrence(halves={"forward": net.half()}, quantities=frozenset(QUANTITIES)).sequences()
    assert np.isnan(made["gate/forget"]).all()
    assert np.isfinite(made["gate/input"][:, 0]).all()
    assert np.isnan(made["bptt_gradient"]).any()
