# mypy: allow-untyped-calls
"""Taps in PyTorch's mixed precision: gradients are those of the loss, whatever it was scaled by."""

import warnings

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tests.capture.test_torch_tools import told, tolerance  # noqa: E402
from tests.capture.torch_everything import (  # noqa: E402
    INPUTS,
    TOLERANCE,
    Model,
    batch,
    check,
    plain_gradients,
)


@pytest.mark.framework_case("PyTorch", "automatic mixed precision, bfloat16")
def test_bfloat16() -> None:
    model = Model().eval()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps:
        with torch.autocast("cpu", torch.bfloat16):
            prediction = model(x)
        nn.functional.mse_loss(prediction.float(), y).backward()
        records = taps.collect(0)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    check(records, expected, tolerance(1e-2, 1e-2 * largest))


@pytest.mark.framework_case("PyTorch", "GradScaler")
@pytest.mark.parametrize("order", ["write first", "unscale first", "between step and update"])
@pytest.mark.parametrize("skipped", [False, True])
def test_gradient_scaler(order: str, skipped: bool) -> None:
    """Gradients are divided by the scale of their own step; the scaler changes it at every step here."""
    model = Model().eval()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler) as taps:
        for number in range(3):
            x, y = batch(number)
            expected = plain_gradients(model, x, y)
            optimizer.zero_grad()
            scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
            if skipped and number == 1:
                model.head.weight.grad[0, 0] = torch.inf  # type: ignore[index]  # it has one
            if order == "write first":
                check(taps.collect(number), expected)
            scaler.unscale_(optimizer)
            if order == "unscale first":
                check(taps.collect(number), expected)
            if order == "between step and update":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scaler.step(optimizer)
                    records = taps.collect(number)
                if number == 0:  # weights may have changed, and gradients with them
                    assert not records[0].weight_gradients
                gradient = records[2].sequences["output_gradient"]
                np.testing.assert_allclose(gradient, expected["parts/last"], **TOLERANCE)
            else:
                scaler.step(optimizer)
            scaler.update()
    assert scaler.get_scale() != 2.0**10


@pytest.mark.framework_case("PyTorch", "automatic mixed precision, float16 with GradScaler")
def test_half_precision_with_a_scaler() -> None:
    model = Model().eval()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler) as taps:
        with torch.autocast("cpu", torch.float16):
            prediction = model(x)
        scaler.scale(nn.functional.mse_loss(prediction.float(), y)).backward()
        records = taps.collect(0)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    check(records, expected, tolerance(1e-2, 1e-2 * largest))


@pytest.mark.framework_case("PyTorch", "GradScaler with two optimizers")
def test_two_optimizers_with_one_scaler() -> None:
    model = Model().eval()
    recurrent = [p for name, p in model.named_parameters() if name.startswith(("body", "parts", "cell"))]
    optimizer, other = torch.optim.SGD(recurrent, 0.1), torch.optim.SGD(model.head.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    x, y = batch()
    expected = plain_gradients(model, x, y)
    scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
    for given in (None, optimizer):
        with capture_torch.attach(model, every=1, samples=None, grad_scaler=scaler, optimizer=given) as taps:
            model.zero_grad()
            scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
            if given is None:
                scaler.unscale_(other)
                # The recurrent layers' optimizer has a state from here on, as it has after a step.
                scaler._per_optimizer_states[id(optimizer)]
                with told("Pass that of"):
                    records = taps.collect(0)
                assert not records[0].weight_gradients
            else:
                check(taps.collect(0), expected)


def test_half_precision_without_a_scaler() -> None:
    body = nn.GRU(INPUTS, 4, batch_first=True).half()
    with capture_torch.attach(body, every=1, samples=None) as taps, told("grad_scaler="):
        body(torch.randn(2, 3, INPUTS).half())[0].sum().backward()
        assert taps.collect(0)
