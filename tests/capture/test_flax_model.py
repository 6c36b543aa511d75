"""Which layers a Flax model has, and what is said of them before anything is recorded."""

from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
nnx: Any = pytest.importorskip("flax.nnx")

from tb_rnn_plugin.capture.flax import entry as capture_flax  # noqa: E402
from tb_rnn_plugin.capture.flax import model as flax_model  # noqa: E402
from tests.capture import flax_models  # noqa: E402


class OwnCell(nnx.Module):
    """A cell that nobody knows, of parameters of its own and a module."""

    def __init__(self, rngs: Any) -> None:
        self.inward = nnx.Linear(2, 3, rngs=rngs)
        self.recurrent = nnx.Param(rngs.normal((3, 3)))
        self.scales = nnx.List([nnx.Param(jnp.ones(3)), nnx.Param(jnp.full(3, 0.5))])

    def __call__(self, x: Any, state: Any) -> Any:
        return jnp.tanh(self.scales[0][...] * self.inward(x) + self.scales[1][...] * (state @ self.recurrent[...]))


class Model(nnx.Module):
    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(2, 2, (3,), rngs=rngs)
        self.cell = OwnCell(rngs)
        self.reader = nnx.RNN(nnx.OptimizedLSTMCell(3, 4, rngs=rngs), reverse=True)
        self.both = nnx.Bidirectional(*(nnx.RNN(nnx.GRUCell(4, 3, rngs=rngs)) for _ in range(2)))
        self.head = nnx.Linear(6, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.conv(x)
        states = [jnp.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            states.append(self.cell(x[:, t], states[-1]))
        return self.head(self.both(self.reader(jnp.stack(states[1:], 1)))[:, -1])


RECURRENT = ["reader", "both"]
OTHERS = ["conv", "cell", "cell/inward", "head"]


def batch() -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    return generator.normal(size=(3, 5, 2)).astype(np.float32), generator.normal(size=(3, 1)).astype(np.float32)


@pytest.mark.parametrize("layers", [None, "*"])
def test_the_description_is_that_of_the_records(layers: Any) -> None:
    model = Model()
    described = rnn_summary.describe(model, layers, samples=3, timesteps=5)
    records = capture_flax.capture(model, *batch(), loss=optax.squared_error, layers=layers)
    of = {record.name: record for record in records}
    assert [layer.name for layer in described] == (
        RECURRENT if layers is None else ["conv", "cell", "cell/inward", *RECURRENT, "head"]
    )
    assert set(of) == {layer.name for layer in described}
    for layer in described:
        record = of[layer.name]
        assert (layer.cell, layer.units, layer.directions, layer.gates) == (
            record.cell,
            record.units,
            record.directions,
            record.gates,
        )
        for matrices in (record.weights, record.weight_gradients):
            assert layer.shapes == {d: {name: m.shape for name, m in of_.items()} for d, of_ in matrices.items()}
        assert set(layer.sequences) == set(record.sequences)
        assert layer.channels in {None, record.sequences["activation"].shape[-1]}
    left_out = dict.fromkeys(OTHERS, 'not recurrent; its name, or layers="*", picks it')
    assert described.left_out == (left_out if layers is None else {})


def test_what_it_says() -> None:
    reader, both = rnn_summary.describe(Model())
    assert (reader.kind, both.kind) == ("RNN(OptimizedLSTMCell)", "Bidirectional(RNN(GRUCell))")
    assert reader.settings == {"activation": "tanh", "gates": "sigmoid", "reverse": "True"}
    assert both.gates == ("reset", "update", "candidate")
    assert not rnn_summary.describe(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match="'nothing' is none"):
        rnn_summary.describe(Model(), "nothing")
    with pytest.raises(TypeError, match=r"flax\.nnx\.Module"):
        capture_flax.describe(3, None, samples=1, timesteps=1)


def test_a_parameter_belongs_to_one_layer_unless_a_module_is_named_in_full() -> None:
    model = Model()
    names = {layer.name: set(layer.shapes["forward"]) for layer in rnn_summary.describe(model, "cel")}
    assert names == {"cell": {"recurrent", "scales/0", "scales/1"}, "cell/inward": {"kernel", "bias"}}
    (whole,) = rnn_summary.describe(model, "cell")
    assert set(whole.shapes["forward"]) == names["cell"] | {"inward/kernel", "inward/bias"}
    assert [layer.name for layer in flax_model.find(model, [0, "head"])] == ["reader", "head"]


@pytest.mark.framework_case("Flax nnx", "other layers: nnx.Conv, a cell of one's own in a loop")
def test_other_layers() -> None:
    """Calls of one timestep each are one sequence; its gradients against those of zeros added to each output."""
    model = Model()
    x, y = batch()
    conv, cell = (
        record
        for record in capture_flax.capture(model, x, y, loss=optax.squared_error, layers=["conv", "cell"])
        if record.name in {"conv", "cell"}
    )

    graphdef, state = nnx.split(model)

    def loss(zeros: Any, recurrent: Any) -> Any:
        model = nnx.merge(graphdef, state, copy=True)
        convolved = model.conv(x) + zeros["conv"]
        states = [jnp.zeros((3, 3))]
        for t in range(5):
            inward = convolved[:, t] @ model.cell.inward.kernel[...] + model.cell.inward.bias[...]
            states.append(jnp.tanh(inward + 0.5 * (states[-1] @ recurrent)) + zeros["cell"][:, t])
        sequence = jnp.stack(states[1:], 1)
        made = model.head(model.both(model.reader(sequence))[:, -1])
        return optax.squared_error(made, y).mean(), {"conv": convolved, "cell": sequence}

    zeros = {"conv": jnp.zeros((3, 5, 2)), "cell": jnp.zeros((3, 5, 3))}
    (gradients, recurrent), outputs = jax.grad(loss, argnums=(0, 1), has_aux=True)(zeros, model.cell.recurrent[...])
    for record in (conv, cell):
        np.testing.assert_allclose(record.sequences["activation"], outputs[record.name], atol=1e-6)
        np.testing.assert_allclose(record.sequences["output_gradient"], gradients[record.name], atol=1e-6)
        assert (record.cell, record.gates) == (None, ())
    np.testing.assert_allclose(cell.weight_gradients["forward"]["recurrent"], recurrent, atol=1e-6)


def names(model: Any, layers: Any) -> list[str]:
    return [layer.name for layer in flax_model.find(model, layers)]


def test_layers_are_picked_by_name_part_or_index() -> None:
    model = flax_models.Model()
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
    model, optimizer = flax_models.made(flax_models.Small())
    x, y = flax_models.batch()
    gradients = nnx.grad(lambda model: optax.squared_error(model(x), y).mean())(nnx.clone(model))
    with capture_flax.attach(model, every=1, samples=None, layers=["head", "drop"], optimizer=optimizer) as taps:
        prediction = nnx.clone(model)(x)
        flax_models.train_step(model, optimizer, x, y)
        drop, head = taps.collect(0)
    assert (drop.name, head.name, head.cell, head.gates) == ("drop", "head", None, ())
    assert drop.sequences["activation"].shape == (3, 5, 3)
    np.testing.assert_allclose(head.sequences["activation"][:, 0], prediction, atol=1e-6)
    np.testing.assert_allclose(head.sequences["output_gradient"][:, 0], 2 * (prediction - y) / 3, atol=1e-6)
    np.testing.assert_allclose(head.weight_gradients["forward"]["kernel"], gradients.head.kernel[...], atol=1e-6)


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
