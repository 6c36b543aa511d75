"""Whole networks of Flax, trained in one jitted step, against jax.grad of the same without taps.

A zero is added to the output of each call: its gradient is that of the output.
"""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tests.capture.flax_cases import TOLERANCE, random  # noqa: E402

SAMPLES, TIMESTEPS, UNITS = 3, 4, 3


class Encoder(nnx.Module):
    """A layer inside of a dictionary inside of a module."""

    def __init__(self, rngs: Any, **options: Any) -> None:
        self.layers = nnx.Dict({"first": nnx.RNN(nnx.OptimizedLSTMCell(2, UNITS, rngs=rngs, **options))})

    def __call__(self, x: Any, zero: Any) -> Any:
        (cell_state, state), output = self.layers["first"](x, return_carry=True)
        return (cell_state, state + zero[:, -1]), output + zero  # the last state is the last output


class EncoderDecoder(nnx.Module):
    """The decoder starts from the encoder's states; behind it a layer is called in both directions."""

    def __init__(self, **options: Any) -> None:
        rngs = nnx.Rngs(0)
        of_cells = {**options, "recurrent_kernel_init": nnx.initializers.lecun_normal()}  # Flax's own has no bfloat16
        self.encoder = Encoder(rngs, **of_cells)
        self.decoder = nnx.RNN(nnx.OptimizedLSTMCell(1, UNITS, rngs=rngs, **of_cells))
        self.shared = nnx.RNN(nnx.GRUCell(UNITS, UNITS, rngs=rngs, **of_cells))
        self.head = nnx.Linear(UNITS, 1, rngs=rngs, **options)

    def __call__(self, x: Any, given: Any, zeros: Any) -> Any:
        carry, encoded = self.encoder(x, zeros[0])
        decoded = self.decoder(given, initial_carry=carry) + zeros[1]
        there = self.shared(decoded) + zeros[2]
        back = self.shared(there, reverse=True, keep_order=True) + zeros[3]
        return self.head(back + encoded), (encoded, decoded, there, back)


@pytest.mark.parametrize(
    "dtype",
    [
        pytest.param(dtype, marks=pytest.mark.framework_case("Flax nnx", f"encoder and decoder, {dtype} parameters"))
        for dtype in ("float32", "bfloat16")
    ],
)
def test_an_encoder_and_a_decoder(dtype: str) -> None:
    half = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16} if dtype == "bfloat16" else {}
    net = EncoderDecoder(**half)
    x, given, y = (random(SAMPLES, TIMESTEPS, width, seed=width).astype(dtype) for width in (2, 1, 1))
    zeros = jnp.zeros((4, SAMPLES, TIMESTEPS, UNITS), dtype)

    def loss(net: Any, zeros: Any) -> Any:
        made, outputs = net(x, given, zeros)
        return optax.squared_error(made, y).mean().astype(jnp.float32), outputs

    differentiate = nnx.jit(nnx.grad(loss, argnums=(0, 1), has_aux=True))
    (weights, gradients), outputs = differentiate(net, zeros)
    optimizer = nnx.Optimizer(net, optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1)), wrt=nnx.Param)

    @nnx.jit  # type: ignore[untyped-decorator]
    def train(net: Any, optimizer: Any) -> None:
        optimizer.update(net, nnx.grad(loss, has_aux=True)(net, zeros)[0])

    with rnn_summary.attach(net, every=1, samples=None, optimizer=optimizer) as taps:
        train(net, optimizer)
        records = {record.name: record for record in taps.collect(0)}
    names = ("encoder/layers/first", "decoder", "shared", "shared/call_1")
    assert list(records) == list(names)
    assert [record.directions for record in records.values()] == [("forward",)] * 3 + [("backward",)]
    tolerance = {"atol": 1e-2 * float(jnp.abs(gradients).max()), "rtol": 1e-2} if half else TOLERANCE
    for name, output, gradient in zip(names, outputs, gradients, strict=True):
        record = records[name]
        np.testing.assert_allclose(record.sequences["activation"], output.astype(jnp.float32), **tolerance)
        np.testing.assert_allclose(record.sequences["output_gradient"], gradient.astype(jnp.float32), **tolerance)
        assert record.recurrence is not None
        assert all(np.isfinite(part.hidden_gradient()).all() for part in record.recurrence.halves.values())
    cells = {
        names[0]: weights.encoder.layers["first"].cell,
        "decoder": weights.decoder.cell,
        "shared": weights.shared.cell,
    }
    for name, cell in cells.items():
        (matrices,) = records[name].weight_gradients.values()
        for matrix, expected in (("kernel", cell.dense_i.kernel), ("recurrent_kernel", cell.dense_h.kernel)):
            np.testing.assert_allclose(matrices[matrix], expected[...].astype(jnp.float32), **tolerance)
