"""Taps on Flax models: what they leave alone, when they record, and what they say."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tb_rnn_plugin.capture.flax import model as flax_model  # noqa: E402

Array = npt.NDArray[np.float32]


class Model(nnx.Module):
    """Attributes out of alphabetical order, as Flax keeps them itself once a jitted function has returned them."""

    def __init__(self, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.reader = nnx.RNN(nnx.OptimizedLSTMCell(2, 4, rngs=rngs))
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.4, rngs=rngs)
        halves = [nnx.RNN(nnx.GRUCell(4, 3, rngs=rngs)) for _ in range(2)]
        self.both = nnx.Bidirectional(*halves)
        self.head = nnx.Linear(6, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.both(self.drop(self.norm(self.reader(x))))[:, -1])


class Small(nnx.Module):
    """A layer, dropout, and a head."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.rnn = nnx.RNN(nnx.GRUCell(2, 3, rngs=rngs))
        self.drop = nnx.Dropout(0.4, rngs=rngs)
        self.head = nnx.Linear(3, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.drop(self.rnn(x))[:, -1])


def batch(step: int = 0, samples: int = 3) -> tuple[Array, Array]:
    generator = np.random.default_rng(step)
    return (
        generator.normal(size=(samples, 5, 2)).astype(np.float32),
        generator.normal(size=(samples, 1)).astype(np.float32),
    )


def made(model: Any = None) -> tuple[Any, Any]:
    model = model or Model()
    clipped = optax.chain(optax.clip_by_global_norm(1e-2), optax.adam(1e-2))
    return model, nnx.Optimizer(model, clipped, wrt=nnx.Param)


def train_step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    loss, gradients = nnx.value_and_grad(lambda model: optax.squared_error(model(x), y).mean())(model)
    optimizer.update(model, gradients)
    return loss


def leaves(*nodes: Any) -> list[bytes]:
    """Every array of the nodes, bit by bit."""
    found = [leaf for node in nodes for leaf in jax.tree.leaves(nnx.as_pure(nnx.state(node)))]
    return [
        np.asarray(jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a).tobytes()
        for a in found
    ]


def attributes(node: Any) -> list[Any]:
    """Classes and attributes of everything in the model, arrays left out."""
    return [
        (type(n), [(name, v) for name, v in vars(n).items() if name != "_pytree__state"])
        for _, n in nnx.iter_graph(node)
        if isinstance(n, nnx.Module)
    ]


@pytest.mark.parametrize(
    ("jit", "kind", "steps"), [(nnx.jit, Model, 20), (lambda function: function, Small, 2)], ids=["jit", "eager"]
)
def test_training_is_bitwise_the_same_and_between_writes_the_very_same_program(
    jit: Callable[[Any], Any], kind: type, steps: int
) -> None:
    model, optimizer = made(kind())
    train = jit(train_step)
    expected = [train(model, optimizer, *batch(step)).tobytes() for step in range(steps)]
    trained = leaves(model, optimizer)

    model, optimizer = made(kind())
    train = jit(train_step)
    written = []
    losses = []
    with capture_flax.attach(model, every=4, samples=1, optimizer=optimizer) as taps:
        for step in range(steps):
            losses.append(train(model, optimizer, *batch(step)).tobytes())
            written += [step] if taps.collect(step) else []
    assert written == [step for step in range(steps) if step % 4 == 0]
    assert losses == expected
    assert leaves(model, optimizer) == trained
    if jit is nnx.jit:
        programs = train.jitted_fn._cache_size()
        train(model, optimizer, *batch())
        assert train.jitted_fn._cache_size() == programs == 2  # one with taps, and the one that runs now, without


def test_the_numbers_are_those_of_the_step_itself() -> None:
    """Weights before the update, gradients before clipping, and not those of another step."""
    model, optimizer = made()
    train = nnx.jit(train_step)
    with capture_flax.attach(model, every=3, samples=None, optimizer=optimizer) as taps:
        for step in range(4):
            x, y = batch(step)
            before = nnx.clone(model)
            train(model, optimizer, x, y)
            records = taps.collect(step)
            assert [record.name for record in records] == (["reader", "both"] if step % 3 == 0 else [])
    reader, both = capture_flax.capture(before, x, y, loss=optax.squared_error, training=True)
    for record, expected in zip(records, (reader, both), strict=True):
        for quantity, array in expected.sequences.items():
            np.testing.assert_allclose(record.sequences[quantity], array, atol=1e-6)
        for direction, matrices in expected.weights.items():
            for matrix, array in matrices.items():
                np.testing.assert_array_equal(record.weights[direction][matrix], array)
                gradient = expected.weight_gradients[direction][matrix]
                np.testing.assert_allclose(record.weight_gradients[direction][matrix], gradient, atol=1e-6)


def test_attach_and_detach_leave_no_trace() -> None:
    model, optimizer = made(Small())
    train = nnx.jit(train_step)
    train(model, optimizer, *batch())
    before, graph, optimizer_graph = attributes(model), nnx.graphdef(model), nnx.graphdef(optimizer)
    taps = capture_flax.attach(model, every=1, samples=1, optimizer=optimizer)
    again = capture_flax.attach(model, every=1, samples=1, layers="head", optimizer=optimizer)
    assert nnx.graphdef(model) != graph
    train(model, optimizer, *batch(1))
    assert [record.name for record in taps.collect(0)] == ["rnn"]
    taps.detach()
    train(model, optimizer, *batch(2))
    assert taps.collect(1) == []
    assert [record.name for record in again.collect(0)] == ["head"]
    again.detach()
    again.detach()
    again.arm(armed=True)
    assert nnx.graphdef(model) == graph
    assert nnx.graphdef(optimizer) == optimizer_graph
    assert [(kind, dict(own)) for kind, own in attributes(model)] == [(kind, dict(own)) for kind, own in before]
    assert type(model.rnn) is nnx.RNN
    assert type(optimizer) is nnx.Optimizer


def test_an_exception_in_the_loop_detaches() -> None:
    model, optimizer = made(Small())
    graph = nnx.graphdef(model)

    def failing(model: Any) -> Any:
        model(batch()[0])
        raise KeyError

    with pytest.raises(KeyError), capture_flax.attach(model, every=1, samples=1, optimizer=optimizer):
        nnx.jit(nnx.grad(failing))(model)
    assert nnx.graphdef(model) == graph
    assert type(optimizer) is nnx.Optimizer


def test_state_is_saved_copied_and_pickled_while_attached() -> None:
    model, optimizer = made()
    model.eval()
    x, _ = batch()
    expected = model(x).tobytes()
    paths = [path for path, _ in nnx.to_flat_state(nnx.state(model))]
    with capture_flax.attach(model, every=1, samples=1, optimizer=optimizer):
        assert [path for path, _ in nnx.to_flat_state(nnx.state(model))] == paths
        split = nnx.merge(*nnx.split(model))
        assert all(m(x).tobytes() == expected for m in (split, copy.deepcopy(model), nnx.clone(model)))
    # Flax's own tanh can't be pickled, taps or not.
    rnn = nnx.RNN(nnx.SimpleCell(2, 3, activation_fn=abs, rngs=nnx.Rngs(0)))
    with capture_flax.attach(rnn, every=1, samples=1, optimizer=nnx.Optimizer(rnn, optax.sgd(0.1), wrt=nnx.Param)):
        loaded, description = pickle.loads(pickle.dumps((rnn, nnx.graphdef(rnn))))
    assert type(loaded) is nnx.RNN
    assert set(vars(loaded)) == set(vars(rnn))
    assert loaded(x).tobytes() == nnx.merge(description, nnx.state(rnn))(x).tobytes() == rnn(x).tobytes()


def test_capture_leaves_the_model_and_taps_on_it_alone() -> None:
    model, optimizer = made(Small())
    x, y = batch()
    with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        before, graph = leaves(model), nnx.graphdef(model)
        for training in (False, True):
            capture_flax.capture(model, x, y, loss=optax.squared_error, training=training)
        assert leaves(model) == before
        assert nnx.graphdef(model) == graph
        train_step(model, optimizer, x, y)
        assert len(taps.collect(0)) == 1


def test_training_and_sample_weight_count_in_a_capture() -> None:
    model, _ = made(Small())
    x, y = batch()

    def gradient(**options: Any) -> Array:
        records = capture_flax.capture(model, x, y, loss=optax.squared_error, **options)
        return records[0].sequences["output_gradient"]

    plain = gradient()
    assert np.abs(gradient(training=True) - plain).max() > 1e-4
    weighted = gradient(sample_weight=np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(weighted, plain * np.array([1, 0, 3]).reshape(3, 1, 1), atol=1e-6)
    with pytest.raises(ValueError, match="sample_weight"):
        capture_flax.capture(model, x, y, loss=lambda p, t: ((p - t) ** 2).mean(), sample_weight=np.ones(3))


def names(model: Any, layers: Any) -> list[str]:
    return [layer.name for layer in flax_model.find(model, layers)]


def test_layers_are_picked_by_name_part_or_index() -> None:
    model = Model()
    assert names(model, None) == ["reader", "both"]
    assert names(model, "*") == ["reader", "norm", "both", "head"]
    assert names(model, "bo") == names(model, 1) == names(model, [-1]) == ["both"]
    assert names(model, ["both", 0]) == ["reader", "both"]
    assert names(model, "head") == ["head"]
    assert names(model.reader, None) == ["RNN"]
    wrong: Any
    for wrong in ("nothing", 2, []):
        with pytest.raises(ValueError, match=r"layers: .*"):
            flax_model.find(model, wrong)
    for of_wrong_type in (1.0, True, [None, b""]):
        with pytest.raises(TypeError, match="layers: expected"):
            flax_model.find(model, of_wrong_type)
    with pytest.raises(ValueError, match="no recurrent layer"):
        flax_model.find(model.head)
    with pytest.raises(TypeError, match=r"flax\.nnx\.Module"):
        flax_model.find(object())


@pytest.mark.framework_case("Flax nnx", "other layers: nnx.Linear, nnx.Dropout")
def test_any_other_layer_is_recorded_without_gates() -> None:
    model, optimizer = made(Small())
    x, y = batch()
    gradients = nnx.grad(lambda model: optax.squared_error(model(x), y).mean())(nnx.clone(model))
    with capture_flax.attach(model, every=1, samples=None, layers=["head", "drop"], optimizer=optimizer) as taps:
        prediction = nnx.clone(model)(x)
        train_step(model, optimizer, x, y)
        drop, head = taps.collect(0)
    assert (drop.name, head.name, head.cell, head.gates) == ("drop", "head", None, ())
    assert drop.sequences["activation"].shape == (3, 5, 3)
    np.testing.assert_allclose(head.sequences["activation"][:, 0], prediction, atol=1e-6)
    np.testing.assert_allclose(head.sequences["output_gradient"][:, 0], 2 * (prediction - y) / 3, atol=1e-6)
    np.testing.assert_allclose(head.weight_gradients["forward"]["kernel"], gradients.head.kernel[...], atol=1e-6)


def test_what_is_wrong_is_said_before_the_loop() -> None:
    model, optimizer = made()
    x, y = batch()
    with pytest.raises(TypeError, match=r"nnx\.Optimizer.*wrapped"):
        capture_flax.attach(model, every=1, samples=1, optimizer=optax.adam(1e-3))
    with pytest.raises(ValueError, match="every"):
        capture_flax.attach(model, every=0, samples=1, optimizer=optimizer)
    with pytest.raises(ValueError, match="loss: a Flax model"):
        capture_flax.capture(model, x, y)
    with pytest.raises(TypeError, match="loss: expected"):
        capture_flax.capture(model, x, y, loss=cast("Any", "mse"))
    assert type(model.reader) is nnx.RNN


def test_without_an_optimizer_weight_gradients_are_left_out_and_that_is_said() -> None:
    model, optimizer = made(Small())
    with pytest.warns(UserWarning, match="optimizer="):
        taps = capture_flax.attach(model, every=1, samples=1)
    train_step(model, optimizer, *batch())
    (record,) = taps.collect(0)
    taps.detach()
    assert set(record.weights["forward"]) == {"kernel", "recurrent_kernel", "bias"}
    assert not record.weight_gradients


def test_a_model_split_before_attach_is_said_once() -> None:
    model, optimizer = made(Small())
    graphdef, parameters, rest = nnx.split(model, nnx.Param, ...)
    x, y = batch()

    def loss(parameters: Any) -> Any:
        return optax.squared_error(nnx.merge(graphdef, parameters, rest, copy=True)(x), y).mean()

    with capture_flax.attach(model, every=1, samples=1, optimizer=optimizer) as taps:
        jax.grad(loss)(parameters)
        with pytest.warns(UserWarning, match="split"):
            assert taps.collect(0) == []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert taps.collect(1) == []


@pytest.mark.parametrize("style", ["split", "cached_partial"])
def test_a_model_split_after_attach_is_recorded_when_it_is_due(style: str) -> None:
    model, optimizer = made(Small())
    with capture_flax.attach(model, every=2, samples=None, optimizer=optimizer) as taps:
        if style == "split":
            graphdef, state = nnx.split((model, optimizer))

            def train(state: Any, x: Any, y: Any) -> Any:
                model, optimizer = nnx.merge(graphdef, state)
                train_step(model, optimizer, x, y)
                return nnx.state((model, optimizer))

            jitted = jax.jit(train)
        else:
            cached = nnx.cached_partial(nnx.jit(train_step), model, optimizer)
        for step in range(5):
            weights = state[0]["rnn"]["cell"]["dense_h"]["kernel"][...] if style == "split" else None
            x, y = batch(step)
            if style == "split":
                state = jitted(state, x, y)
            else:
                cached(x, y)
            records = taps.collect(step)
            assert len(records) == (0 if step % 2 else 1)
            assert not vars(taps)["_sink"]._arrived  # what isn't to be written isn't kept
            if records:
                assert records[0].weight_gradients["forward"]["recurrent_kernel"].any()
                if weights is not None:
                    np.testing.assert_array_equal(records[0].weights["forward"]["recurrent_kernel"], weights)


class Shared(nnx.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        self.rnn = nnx.RNN(nnx.SimpleCell(2, 2, rngs=nnx.Rngs(0)))

    def __call__(self, x: Any) -> Any:
        return self.rnn(self.rnn(x))[:, -1, :1]


@pytest.mark.framework_case("Flax nnx", "a layer called twice")
def test_a_layer_called_twice_gives_two_records() -> None:
    model, optimizer = made(Shared())
    x, y = batch()
    train = nnx.jit(train_step)
    outputs = [model.rnn(x), model.rnn(model.rnn(x))]
    with capture_flax.attach(model, every=1, samples=None, optimizer=optimizer) as taps:
        for step in range(2):
            train(model, optimizer, x, y)
            first, second = taps.collect(step)
            assert (first.name, second.name) == ("rnn", "rnn/call_1")
            assert first.weight_gradients
            assert not second.weights
            if step == 0:
                np.testing.assert_allclose(first.sequences["activation"], outputs[0], atol=1e-6)
                np.testing.assert_allclose(second.sequences["activation"], outputs[1], atol=1e-6)
            assert np.abs(second.sequences["output_gradient"][:, :-1]).max() == 0


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


def test_a_loss_may_be_of_gradients() -> None:
    """As a gradient penalty is: the way back is then gone through once more."""
    x, _ = batch()

    def penalty(model: Any) -> Any:
        return (nnx.grad(lambda model, x: model(x).sum(), argnums=1)(model, x) ** 2).sum()

    model = Shared()
    expected = leaves(nnx.jit(nnx.grad(penalty))(model))
    with capture_flax.attach(model, every=1, samples=1, optimizer=made(model)[1]):
        assert leaves(nnx.jit(nnx.grad(penalty))(model)) == expected


class Unusual(nnx.Module):
    """A cell by itself, a cell of one's own, and stacked layers."""

    def __init__(self) -> None:
        self.cell = nnx.GRUCell(2, 3, rngs=nnx.Rngs(0))
        self.own = nnx.RNN(Swapped(2, 3, rngs=nnx.Rngs(0)))
        self.stacked = nnx.vmap(lambda r: nnx.RNN(nnx.GRUCell(2, 3, rngs=r)))(nnx.Rngs(0).split(2))


class Swapped(nnx.GRUCell):
    """A GRU's parameters in a computation of its own: no gate can be named."""

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        carry = jnp.tanh(self.dense_i(inputs)[..., :3] + self.dense_h(carry)[..., :3])
        return carry, carry


def test_what_cannot_be_recorded_is_said_with_the_reason() -> None:
    with pytest.warns(UserWarning, match=r"cell: a GRUCell of its own.*nnx\.RNN\(GRUCell.*stacked: .*nnx\.vmap"):
        (own,) = flax_model.find(Unusual())
    assert (own.name, own.cell, own.gates) == ("own", None, ())
    assert set(own.halves["forward"].parameters) == {"cell/dense_h/kernel", "cell/dense_i/kernel", "cell/dense_i/bias"}
