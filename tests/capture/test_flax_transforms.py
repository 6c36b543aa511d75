"""Layers of Flax inside of jax.vmap, scan and remat, and a loss of gradients."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tests.capture.flax_cases import (  # noqa: E402
    GRU,
    INPUTS,
    OPTIMIZED,
    SAMPLES,
    TIMESTEPS,
    TOLERANCE,
    UNITS,
    Case,
    Net,
    by_taps,
    case,
    check,
    expected,
    loss_of,
    random,
)
from tests.capture.flax_models import Shared, batch, leaves, made  # noqa: E402


@pytest.mark.parametrize(
    "transform",
    [
        case(f"gradient through time: {name}", transform)
        for name, transform in {
            "nnx.remat": nnx.remat(lambda net, x: net.body(x)),
            "nnx.vmap": nnx.vmap(lambda net, x: net.body(x), in_axes=(None, 0)),
            "nnx.scan over the samples": nnx.scan(
                lambda net, x: (net, net.body(x)), in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0)
            ),
            "two axes of samples": lambda net, x: net.body(x[None])[0],
        }.items()
    ],
)
def test_transformed(transform: Callable[[Any, Any], Any]) -> None:
    of = Case(GRU)
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)

    class Transformed(Net):
        def __call__(self, x: Any, *_: Any) -> Any:
            made = transform(self, x)
            return loss_of(made[1] if isinstance(made, tuple) else made, [])

    net = Transformed(of)
    wanted = expected(of, net, x)
    check(by_taps(of, net, x), wanted)


def test_a_scan_over_batches_gives_the_numbers_of_one_of_them() -> None:
    of = Case(OPTIMIZED)
    batches = random(2, SAMPLES, TIMESTEPS, INPUTS, seed=9)

    class Scanned(Net):
        def __call__(self, x: Any, *_: Any) -> Any:
            scan = nnx.scan(
                lambda net, x: (net, loss_of(net.body(x), [])), in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0)
            )
            return scan(self, x)[1].sum()

    net = Scanned(of)
    wanted = [expected(of, net, x) for x in batches]
    record = by_taps(of, net, batches)
    which = int(np.abs(record.sequences["activation"] - wanted[1]["activation"]).max() < 1e-5)
    check(record, wanted[which])


@pytest.mark.framework_case("Flax nnx", "nnx.vmap, nnx.remat")
def test_vmap_and_remat_are_seen_through() -> None:
    x, y = batch()
    plain = Shared().rnn
    # The loss is the mean over samples of the last output's first channel, less a constant.
    gradient = np.zeros((3, 5, 2))
    gradient[:, -1, 0] = 1 / 3
    expected = {"activation": plain(x), "output_gradient": gradient}
    weight_gradients = nnx.grad(lambda m: jnp.mean(m(x)[:, -1, :1] - y))(plain)

    def vmapped(model: Any) -> Any:
        return jnp.mean(nnx.vmap(lambda m, x: m(x), in_axes=(None, 0))(model, x)[:, -1, :1] - y)

    def remat(model: Any) -> Any:
        return jnp.mean(nnx.remat(lambda m, x: m(x))(model, x)[:, -1, :1] - y)

    for loss in (vmapped, remat):
        model = Shared().rnn
        optimizer = nnx.Optimizer(model, optax.sgd(0.0), wrt=nnx.Param)
        with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:

            def train(model: Any, optimizer: Any, loss: Any = loss) -> None:
                optimizer.update(model, nnx.grad(loss)(model))

            nnx.jit(train)(model, optimizer)
            (record,) = taps.collect(0)
        for quantity, array in expected.items():
            np.testing.assert_allclose(record.sequences[quantity], array, atol=1e-6)
        kernel = weight_gradients.cell.dense_i.kernel[...]
        np.testing.assert_allclose(record.gate("", gradient=True), kernel, atol=1e-6)


def squared_input_gradient(model: Any, x: Any) -> Any:
    return (nnx.grad(lambda model, x: model(x).sum(), argnums=1)(model, x) ** 2).sum()


def test_a_loss_may_be_of_gradients() -> None:
    """As a gradient penalty is: the way back is then gone through once more, and is none of the loss's."""
    x, _ = batch()
    model = Shared()
    gradient = nnx.jit(nnx.grad(lambda model: squared_input_gradient(model, x)))
    expected = leaves(gradient(model))
    with capture_flax.attach(model, every=1, samples=1, optimizer=made(model)[1]) as taps:
        assert leaves(gradient(model)) == expected
        with pytest.warns(UserWarning, match="differentiated itself"):
            assert taps.collect(0) == []


@pytest.mark.framework_case("Flax nnx", "gradient penalty: its own way back is left out of output gradients")
@pytest.mark.parametrize("penalty_first", [False, True])
def test_a_gradient_penalty_beside_the_loss(*, penalty_first: bool) -> None:
    x, y = batch()
    model = Shared()

    def squared_error(model: Any) -> Any:
        return ((model(x) - y) ** 2).mean()

    def penalised(model: Any) -> Any:
        terms = [squared_error, lambda model: squared_input_gradient(model, x)]
        return sum(term(model) for term in (reversed(terms) if penalty_first else terms))

    def nudged(model: Any, nudges: tuple[Any, Any]) -> Any:
        first = model.rnn(x) + nudges[0]
        second = model.rnn(first) + nudges[1]
        return ((second[:, -1, :1] - y) ** 2).mean(), (first, second)

    zeros = (jnp.zeros((3, 5, 2)), jnp.zeros((3, 5, 2)))
    gradients, outputs = nnx.grad(nudged, argnums=1, has_aux=True)(model, zeros)
    with capture_flax.attach(model, every=1, samples=None, optimizer=made(model)[1]) as taps:
        nnx.jit(nnx.grad(penalised))(model)
        records = taps.collect(0)
    for record, output, gradient in zip(records, outputs, gradients, strict=True):
        np.testing.assert_allclose(record.sequences["activation"], output, atol=1e-6)
        np.testing.assert_allclose(record.sequences["output_gradient"], gradient, atol=1e-6)


def squared(net: Any, x: Any) -> Any:
    """The loss of one sample, or of all."""
    return (net.body(x) ** 2).sum()


def scanned(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    scan = nnx.scan(lambda net, x: (net, function(net, x)), in_axes=(nnx.Carry, 0), out_axes=(nnx.Carry, 0))
    return lambda net, x: scan(net, x)[1].sum()


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "nnx.scan over the samples": scanned(squared),
    "nnx.scan over the samples, nnx.remat": scanned(nnx.remat(squared)),
    "a loop over the samples, nnx.remat": lambda net, x: sum(nnx.remat(squared)(net, sample) for sample in x),
    "a loop over the samples, nnx.jit": lambda net, x: sum(nnx.jit(squared)(net, sample) for sample in x),
    "nnx.vmap, nnx.remat": lambda net, x: nnx.vmap(nnx.remat(squared), in_axes=(None, 0))(net, x).sum(),
    "nnx.jit inside": nnx.jit(squared),
}


def by_sample(gradient: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The sum of the gradients of single samples."""
    return lambda net, x: functools.reduce(
        lambda a, b: jax.tree.map(jnp.add, a, b), [gradient(net, sample) for sample in x]
    )


GRADIENTS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: nnx.jit(nnx.grad(loss)) for name, loss in LOSSES.items()},
    "nnx.scan over the samples, without jit": nnx.grad(scanned(squared)),
    "a gradient for each sample, without jit": by_sample(nnx.grad(squared)),
    "a gradient for each sample, one nnx.jit": nnx.jit(by_sample(nnx.grad(squared))),
    "a gradient for each sample, nnx.jit": by_sample(nnx.jit(nnx.grad(squared))),
    "a gradient for each sample, nnx.jit, nnx.remat": by_sample(nnx.jit(nnx.grad(nnx.remat(squared)))),
}


@pytest.mark.parametrize("gradient", [case(f"samples in their order: {name}", of) for name, of in GRADIENTS.items()])
def test_samples_are_in_their_order(gradient: Callable[[Any, Any], Any]) -> None:
    net = Net(Case(GRU))
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    optimizer = nnx.Optimizer(net, optax.sgd(0.0), wrt=nnx.Param)
    with capture_flax.attach(net, every=1, samples=None, optimizer=optimizer) as taps:
        optimizer.update(net, gradient(net, x))
        (record,) = taps.collect(0)
    check_squared(record, net, x)


def check_squared(record: LayerRecord, net: Net, x: Any) -> None:
    """Against the layer on the whole batch."""
    outputs = net.body(x)
    np.testing.assert_allclose(record.sequences["activation"], outputs, **TOLERANCE)
    np.testing.assert_allclose(record.sequences["output_gradient"], 2 * outputs, **TOLERANCE)
    kernel = nnx.grad(squared)(net, x).body.cell.dense_h.kernel[...]
    np.testing.assert_allclose(record.gate("reset", "recurrent_kernel", gradient=True), kernel[:, :UNITS], **TOLERANCE)


@pytest.mark.parametrize("loss", [case(f"capture: {name}", of) for name, of in LOSSES.items()])
def test_a_capture_sees_through_them_too(loss: Callable[[Any, Any], Any]) -> None:
    class Transformed(Net):
        def __call__(self, x: Any, *_: Any) -> Any:
            return loss(self, x)

    net = Transformed(Case(GRU))
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)
    (record,) = rnn_summary.capture(net, x, None, loss=lambda value, _: value)
    check_squared(record, net, x)


def test_training_on_a_scan_over_samples_is_bitwise_the_same() -> None:
    x = random(SAMPLES, TIMESTEPS, INPUTS, seed=9)

    def trained(*, attached: bool) -> list[bytes]:
        net = Net(Case(GRU))
        optimizer = nnx.Optimizer(net, optax.adam(0.1), wrt=nnx.Param)
        train = nnx.jit(lambda net, optimizer: optimizer.update(net, nnx.grad(scanned(squared))(net, x)))
        taps = capture_flax.attach(net, every=2, samples=None, optimizer=optimizer) if attached else None
        for step in range(4):
            train(net, optimizer)
            if taps:
                assert len(taps.collect(step)) == (step % 2 == 0)
        if taps:
            taps.detach()
        return leaves(net, optimizer)

    assert trained(attached=True) == trained(attached=False)
