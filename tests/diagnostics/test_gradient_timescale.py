"""The timescale of a unit's gradient, against plain loops, decays whose answer is known, and nets that have them."""

import math

import numpy as np
import pytest

from tb_rnn_plugin.diagnostics.gradient_timescale import gradient_timescale

RNG = np.random.default_rng(8)
T = 24
LAG = np.arange(T - 1, -1, -1)


def test_a_decay_has_its_own_timescale() -> None:
    tau = np.array([0.7, 3.0, 50.0])
    signs = RNG.choice([-1.0, 1.0], (2, T, 3))
    # Each sample fades alike, whatever its size.
    size = np.array([1e-3, 2e-2])[:, None, None]
    found = gradient_timescale((signs * size * np.exp(-LAG[None, :, None] / tau)).astype(np.float32))
    assert found.timesteps == pytest.approx(tau, rel=1e-5)
    assert found.fit == pytest.approx(np.ones(3))


def test_against_a_loop() -> None:
    gradient = RNG.normal(size=(3, T, 5)) * np.exp(-0.3 * LAG)[None, :, None]
    found = gradient_timescale(gradient.astype(np.float32))
    for unit in range(5):
        logs = [math.log(sum(abs(float(gradient[s, t, unit])) for s in range(3)) / 3) for t in range(T)]
        slope, intercept = np.polyfit(LAG, logs, 1)
        mean = sum(logs) / T
        left = sum((log - slope * lag - intercept) ** 2 for log, lag in zip(logs, LAG.tolist(), strict=True))
        assert found.timesteps[unit] == pytest.approx(-1 / slope, rel=1e-5)
        assert found.fit[unit] == pytest.approx(1 - left / sum((log - mean) ** 2 for log in logs), rel=1e-5)


def test_padding_is_left_out() -> None:
    gradient = np.exp(-LAG / 4.0)[None, :, None].copy()
    gradient[:, -5:] = 0
    assert gradient_timescale(gradient).timesteps == pytest.approx(4)


def test_there_is_none_where_nothing_decays_or_is_not_finite() -> None:
    growing, constant, silent, wrong = np.exp(LAG / 4.0), np.ones(T), np.zeros(T), np.exp(-LAG / 4.0)
    wrong[3] = np.nan
    found = gradient_timescale(np.stack([growing, constant, silent, wrong], axis=-1)[None])
    assert np.isnan(found.timesteps).all()


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_without_recurrent_weights_it_is_that_of_the_gate(kind: str) -> None:
    """dL/dc_t, or dL/dh_t, is then k^lag of what arrives at the end: the gate k is the only way back."""
    pytest.importorskip("torch")
    import torch  # noqa: PLC0415  # only where it is installed

    from tb_rnn_plugin import rnn_summary  # noqa: PLC0415

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = getattr(torch.nn, kind)(2, 3, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            last: torch.Tensor = self.rnn(x)[0][:, -1]
            return last

    net = Net()
    bias = torch.tensor([-1.0, 0.5, 3.0])
    block = slice(3, 6)  # PyTorch: input, forget, …; reset, update, …
    with torch.no_grad():
        for parameter in net.rnn.parameters():
            parameter.normal_(0, 0.5)
        net.rnn.weight_hh_l0.zero_()
        net.rnn.weight_ih_l0[block] = 0
        net.rnn.bias_ih_l0[block] = bias
        net.rnn.bias_hh_l0.zero_()
    (record,) = rnn_summary.capture(net, torch.randn(4, 12, 2), torch.zeros(4, 3), loss=torch.nn.functional.mse_loss)
    gradient = record.sequences["cell_state_gradient" if kind == "LSTM" else "bptt_gradient"]
    keep = 1 / (1 + np.exp(-bias.numpy().astype(float)))
    found = gradient_timescale(gradient)
    assert found.timesteps == pytest.approx(1 / np.abs(np.log(keep)), rel=1e-4)
    assert found.fit == pytest.approx(np.ones(3), rel=1e-4)
