# mypy: allow-untyped-calls
"""Ctrl-C, or a notebook's stop button, in the middle of a forward pass, and training that goes on afterwards."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402

SAMPLES, TIMESTEPS, INPUTS, UNITS = 2, 3, 4, 5


def modes() -> list[Any]:
    stack: list[Any] = torch.overrides._get_current_function_mode_stack()
    return stack


def interrupt(module: nn.LSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls a module, and presses Ctrl-C when its recurrent function has run."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nn.LSTM, "permute_hidden", stop)
        with pytest.raises(KeyboardInterrupt):
            module(torch.randn(SAMPLES, TIMESTEPS, INPUTS))


def check(module: nn.LSTM, taps: Any, step: int) -> None:
    output, _ = module(torch.randn(SAMPLES, TIMESTEPS, INPUTS))
    output.square().sum().backward()
    records = taps.collect(step)
    assert [each.name for each in records] == ["lstm/layer_0", "lstm/layer_1"]
    assert all(each.recurrence for each in records)
    np.testing.assert_array_equal(records[1].sequences["activation"], output.detach())
    np.testing.assert_allclose(records[1].sequences["output_gradient"], 2 * output.detach(), rtol=1e-6)
    module.zero_grad()


def attached(module: nn.LSTM) -> Any:
    return capture_torch.attach(module, every=1, samples=None)


def two_layers() -> nn.LSTM:
    return nn.LSTM(INPUTS, UNITS, 2, batch_first=True)


def test_nothing_is_left_when_the_taps_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    module = two_layers()
    with attached(module):
        interrupt(module, monkeypatch)
        assert len(modes()) == 1  # what this is about: PyTorch tells no hook of it
    assert not modes()
    with attached(module) as taps:
        check(module, taps, 0)


def test_the_same_taps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = two_layers()
    with attached(module) as taps:
        for step in range(3):
            interrupt(module, monkeypatch)
            check(module, taps, step)
            assert not modes()


def test_modes_of_others_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    module = two_layers()
    taps = attached(module)
    interrupt(module, monkeypatch)
    with torch.device("meta"):
        (_, theirs) = modes()
        taps.detach()
        assert modes() == [theirs]
    assert not modes()


def test_two_taps_on_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = two_layers()
    with attached(module) as taps:
        with attached(module):
            interrupt(module, monkeypatch)
        check(module, taps, 0)
    assert not modes()
