# mypy: allow-untyped-calls
"""Subclasses of torch.nn.LSTM whose forward method does without PyTorch's recurrent function."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 3, 4, 5


class Wider(nn.LSTM):
    """Of two layers, of which nothing is seen but what the module returns."""

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        """As many channels as there are units."""
        return torch.tanh(x @ dict(self.named_parameters())["weight_ih_l0"][:UNITS].T), None


@pytest.mark.filterwarnings("ignore:rnn_summary. Wider 'wider/layer_0' has a forward method of its own")
def test_what_a_forward_method_of_ones_own_returns_is_of_the_last_layer() -> None:
    module = Wider(INPUTS, UNITS, 2, batch_first=True)
    with capture_torch.attach(module, every=1, samples=None) as taps:
        output, _ = module(torch.randn(SAMPLES, TIMESTEPS, INPUTS))
        output.sum().backward()
        first, last = taps.collect(0)
    assert not first.sequences
    np.testing.assert_array_equal(last.sequences["activation"], output.detach())
