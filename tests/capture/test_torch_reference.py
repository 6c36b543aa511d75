# mypy: allow-untyped-calls
"""PyTorch captures against the numbers that see-rnn itself returned."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tb_rnn_plugin import record
from tests.capture import reference

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402

Array = npt.NDArray[np.float32]
UNITS = 6
# GRU with reset_after=False and the activations of masked steps have no counterpart in PyTorch.
CASES = [case for case in reference.cases() if "gru_ra0" not in case and not reference.is_masked(case)]


def reordered(kind: str, matrix: Array) -> Array:
    """Keras's gates in PyTorch's order: a GRU has reset before update there."""
    if "gru" not in kind:
        return matrix
    update, reset, candidate = np.split(matrix, 3, axis=-1)
    return np.concatenate([reset, update, candidate], axis=-1)


class Model(torch.nn.Module):
    """The model of a case, with see-rnn's weights."""

    def __init__(self, case: str) -> None:
        super().__init__()
        self.kind, self.mode = case.split("/")[:2]
        weights = reference.weights(case)
        self.rnn1 = self.recurrent(weights, 5)
        if self.mode == "last":
            self.rnn2 = self.recurrent(weights, UNITS * (2 if self.kind.startswith("bi") else 1))
        self.head = torch.nn.Linear(weights[0].shape[0], 3)
        for parameter, value in zip(self.head.parameters(), (weights.pop(0).T, weights.pop(0)), strict=True):
            parameter.data = torch.tensor(value)

    def recurrent(self, weights: list[Array], inputs: int) -> Any:
        module_class = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[
            self.kind.removeprefix("bi").removesuffix("_ra1")
        ]
        module = module_class(inputs, UNITS, batch_first=True, bidirectional=self.kind.startswith("bi"))
        for suffix in ("_l0", "_l0_reverse") if module.bidirectional else ("_l0",):
            kernel, recurrent, bias = (reordered(self.kind, weights.pop(0)) for _ in range(3))
            rows = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
            for name, value in (
                ("weight_ih", kernel.T),
                ("weight_hh", recurrent.T),
                ("bias_ih", rows[0]),
                ("bias_hh", rows[1]),
            ):
                getattr(module, name + suffix).data = torch.tensor(value)
        return module

    def forward(self, x: torch.Tensor) -> Any:
        sequence, _ = self.rnn1(x)
        if self.mode == "seq":
            return self.head(sequence)
        _, last = self.rnn2(sequence)
        hidden = last[0] if isinstance(last, tuple) else last
        return self.head(torch.cat(list(hidden), dim=-1))


def check(case: str, records: list[record.LayerRecord]) -> None:
    assert [each.name for each in records] == (["rnn1"] if "/seq" in case else ["rnn1", "rnn2"])
    for each in records:
        activation, gradient = (each.sequences[quantity] for quantity in ("activation", "output_gradient"))
        expected, expected_gradient = (reference.array(case, f"{what}/{each.name}") for what in ("out", "dout"))
        if expected.ndim == 2:  # the last step of each direction is all that Keras returned
            others = gradient.copy()
            picked = []
            for direction, step in zip(each.directions, (-1, 0), strict=False):
                channels = each.channels(direction, "activation")
                picked.append((activation[:, step, channels], gradient[:, step, channels]))
                others[:, step, channels] = 0
            activation, gradient = (np.concatenate(halves, axis=-1) for halves in zip(*picked, strict=True))
            assert not others.any()
        np.testing.assert_allclose(activation, expected, atol=reference.TOLERANCE)
        np.testing.assert_allclose(gradient, expected_gradient, atol=reference.TOLERANCE)
        check_gates(case, each)


def check_gates(case: str, each: record.LayerRecord) -> None:
    """Every gate of every matrix by its name, not by its place."""
    kind = case.partition("/")[0]
    keras_gates = {"lstm": ("input", "forget", "cell", "output"), "gru": ("update", "reset", "candidate"), "rnn": ("",)}
    names = [f"{case}/w/{each.name}/", f"{case}/dw/{each.name}/"]
    for prefix, gradient in zip(names, (False, True), strict=True):
        arrays = reference._starting_with(prefix)
        assert len(arrays) == 3 * len(each.directions)
        for direction in each.directions:
            for matrix in ("kernel", "recurrent_kernel", "bias"):
                blocks = np.split(arrays.pop(0), len(keras_gates[str(each.cell)]), axis=-1)
                for gate, expected in zip(keras_gates[str(each.cell)], blocks, strict=True):
                    actual = each.gate(gate, matrix, direction=direction, gradient=gradient)
                    if matrix == "bias" and expected.ndim == 1:  # PyTorch has two of them, whose gradients are equal
                        actual = actual[0]
                    what = f"{kind} {each.name} {direction} {matrix} {gate} gradient={gradient}"
                    np.testing.assert_allclose(actual, expected, atol=reference.TOLERANCE, err_msg=what)


def weighted_loss(case: str) -> torch.nn.Module:
    return torch.nn.MSELoss(reduction="none" if case.endswith("/sw") else "mean")


@pytest.mark.framework_case("PyTorch", "see-rnn's own numbers: LSTM, GRU, RNN, bidirectional, sample weights")
@pytest.mark.parametrize("case", CASES)
def test_one_batch(case: str) -> None:
    x, y = reference.array(case, "x"), reference.array(case, "y")
    weight = reference.array(case, "sample_weight") if case.endswith("/sw") else None
    check(case, capture_torch.capture(Model(case), x, y, loss=weighted_loss(case), sample_weight=weight))


@pytest.mark.framework_case("PyTorch", "see-rnn's own numbers: LSTM, GRU, RNN, bidirectional, sample weights")
@pytest.mark.parametrize("case", CASES)
def test_loop_of_ones_own(case: str) -> None:
    model = Model(case)
    x, y = torch.tensor(reference.array(case, "x")), torch.tensor(reference.array(case, "y"))
    with capture_torch.attach(model, every=1, samples=4) as taps:
        prediction = model(x)
        loss = weighted_loss(case)(prediction, y)
        if case.endswith("/sw"):
            weight = torch.tensor(reference.array(case, "sample_weight"))
            loss = (loss * weight.reshape(-1, *[1] * (loss.ndim - 1))).mean()
        loss.backward()
        check(case, taps.collect(0))
    np.testing.assert_allclose(prediction.detach(), reference.array(case, "pred"), atol=reference.TOLERANCE)
    np.testing.assert_allclose(loss.item(), reference.array(case, "loss"), atol=reference.TOLERANCE)
