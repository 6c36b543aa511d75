# mypy: allow-untyped-calls
"""Which layers taps on a PyTorch model are on, what they say where something is missing, and that no trace is left."""

import copy
import gc
import pickle
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from tb_rnn_plugin import record

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tb_rnn_plugin.capture.torch import taps as torch_taps  # noqa: E402
from tests.capture.test_torch_tools import told  # noqa: E402
from tests.capture.torch_everything import (  # noqa: E402
    INPUTS,
    NAMES,
    Model,
    batch,
    check,
    plain_gradients,
    traces,
    train,
)


@pytest.mark.framework_case("PyTorch", "evaluation between steps")
@pytest.mark.parametrize("with_gradients", [False, True])
def test_evaluation_in_between(with_gradients: bool) -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)

    def evaluate() -> None:
        with torch.set_grad_enabled(with_gradients):
            model(batch(5, samples=7)[0])

    with capture_torch.attach(model, every=1, samples=None) as taps:
        evaluate()
        prediction = model(x)
        evaluate()
        nn.functional.mse_loss(prediction, y).backward()
        evaluate()
        check(taps.collect(0), expected)


def test_frozen_layer() -> None:
    model = Model()
    x, y = batch()
    for part in (model.encoder, model.norm, model.body):
        part.requires_grad_(False)
    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told("no gradient", times=2),
    ):
        for number in range(3):
            nn.functional.mse_loss(model(x), y).backward()
            records = taps.collect(number)
            model.zero_grad()
    assert [set(each.sequences) for each in records[:3]] == [{"activation"}] * 2 + [{"activation", "output_gradient"}]
    assert records[0].weights
    assert not records[0].weight_gradients
    assert records[2].weight_gradients


def test_nothing_needs_a_gradient() -> None:
    body = nn.GRU(INPUTS, 4).requires_grad_(False)
    with capture_torch.attach(body, every=1, samples=None) as taps, told("no gradient"):
        body(torch.randn(2, 3, INPUTS))
        (made,) = taps.collect(0)
    assert set(made.sequences) == {"activation"}


def test_no_backward_pass() -> None:
    model = Model()
    with (
        capture_torch.attach(model, every=2, samples=None) as taps,
        told("after backward"),
    ):
        assert not taps.collect(0)
        model(batch()[0])
        assert not taps.collect(1)
        made: list[record.LayerRecord] = []
        train(model, 1, lambda _: made.extend(taps.collect(2)))
    assert [each.name for each in made] == NAMES


def test_write_too_late() -> None:
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with capture_torch.attach(model, every=1, samples=None) as taps, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for number in range(2):
            x, y = batch(number)
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            if number:
                optimizer.zero_grad()
            records = taps.collect(number)
    assert ["optimizer.step()" in str(each.message) for each in said] == [True]
    assert not records[0].weight_gradients


def test_write_after_zero_grad() -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None) as taps, told("zero_grad"):
        x, y = batch()
        nn.functional.mse_loss(model(x), y).backward()
        model.zero_grad()
        records = taps.collect(0)
    assert records[0].sequences
    assert not records[0].weight_gradients


def test_weights_that_are_computed() -> None:
    body = nn.utils.parametrizations.weight_norm(nn.GRU(INPUTS, 4), "weight_hh_l0")
    with capture_torch.attach(body, every=1, samples=None) as taps, told("weight_norm"):
        body(torch.randn(2, 3, INPUTS))[0].sum().backward()
        (made,) = taps.collect(0)
    assert made.name.endswith("gru")
    assert set(made.weights["forward"]) == {"kernel", "recurrent_kernel", "bias"}
    assert set(made.weight_gradients["forward"]) == {"kernel", "bias"}


def test_write_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound."""
    monkeypatch.setattr(torch_taps, "_MOST_PASSES", 5)
    model = Model()
    with capture_torch.attach(model, every=1, samples=None) as taps, told("without a write"):
        train(model, 8)
        tap = next(iter(taps._recorder._taps.values()))  # type: ignore[attr-defined]  # of TorchTaps
        assert len(tap._calls) <= 6


def test_a_failure_does_not_end_training(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    monkeypatch.setattr(torch_taps, "joined", lambda _: 1 / 0)
    with (
        capture_torch.attach(model, every=1, samples=None) as taps,
        told("ZeroDivision"),
    ):
        train(model, 3, taps.collect)


class _LoopError(Exception):
    pass


def test_detached_leaves_no_trace() -> None:
    model = Model()
    seen: list[int] = []
    model.body.register_forward_hook(lambda *_: seen.append(1))
    before = traces(model)
    taps = capture_torch.attach(model, every=1, samples=None)
    assert traces(model) != before
    train(model, 1, taps.collect)
    taps.detach()
    taps.detach()
    assert traces(model) == before
    with told("nothing is recorded at step 1: the taps were detached"):
        assert taps.collect(1) == []
        assert taps.collect(2) == []
    train(model, 1)
    assert len(seen) == 2


def test_taps_that_nobody_holds_are_taken_off() -> None:
    """As in a notebook, where the cell that attaches them is run once more."""
    model = Model()
    before = traces(model)
    taps = capture_torch.attach(model, every=1, samples=None)
    tapped = traces(model)
    for _ in range(2):
        train(model, 1, taps.collect)
        taps = capture_torch.attach(model, every=1, samples=None)
        assert traces(model) == tapped
    del taps
    assert traces(model) == before


@pytest.mark.parametrize("where", ["loop", "layer"])
@pytest.mark.parametrize("layers", [None, "*"])
def test_an_exception_leaves_no_trace(where: str, layers: Any) -> None:
    model = Model()
    before = traces(model)

    def loop() -> None:
        with capture_torch.attach(model, every=1, samples=None, layers=layers):
            model(batch()[0])
            if where == "loop":
                raise _LoopError
            model.body(torch.randn(2, 2, 99))

    with pytest.raises(_LoopError if where == "loop" else RuntimeError):
        loop()
    assert traces(model) == before
    assert torch.overrides._get_current_function_mode_stack() == []


def test_an_exception_in_a_layer_is_survived() -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps:
        with pytest.raises(RuntimeError):
            model.body(torch.randn(2, 2, 99))
        assert torch.overrides._get_current_function_mode_stack() == []
        nn.functional.mse_loss(model(x), y).backward()
        check(taps.collect(0), expected)


def test_copied_and_saved_while_attached(tmp_path: Path) -> None:
    model = Model()
    before = traces(model)
    state = copy.deepcopy(model.state_dict())
    with capture_torch.attach(model, every=1, samples=None) as taps:
        model.seen = {}
        torch.save(model, tmp_path / "model.pt")
        copies = [
            copy.deepcopy(model),
            pickle.loads(pickle.dumps(model)),
            torch.load(tmp_path / "model.pt", weights_only=False),
        ]
        assert b"tb_rnn_plugin" not in pickle.dumps(model)
        for made in copies:
            assert traces(made) == before
            train(made, 1)
        assert list(model.state_dict()) == list(state)
        torch.save(model.state_dict(), tmp_path / "state.pt")
        loaded = Model()
        loaded.load_state_dict(torch.load(tmp_path / "state.pt"))
        train(loaded, 1)
        copies.append(loaded)
        train(model, 1, taps.collect)
        for made in copies:
            assert all(torch.equal(a, b) for a, b in zip(model.parameters(), made.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore:Converting a tensor to a Python", "ignore:`torch.jit")  # PyTorch's own
def test_the_graph_of_a_tapped_model_is_drawn(tmp_path: Path) -> None:
    """By torch.jit.trace, which calls the model twice, with and without gradients, and compares."""
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    with capture_torch.attach(model, every=1, samples=None) as taps, tensorboard.SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, x)
        nn.functional.mse_loss(model(x), y).backward()
        check(taps.collect(0), expected)


class Rebuilt(nn.GRU):
    """Says itself what a pickle holds of it."""

    def __reduce__(self) -> Any:
        return Rebuilt, (self.input_size, self.hidden_size)


def test_a_class_with_a_way_of_its_own_is_pickled_in_that_way() -> None:
    model = Rebuilt(INPUTS, 4)
    with capture_torch.attach(model, every=1, samples=None):
        copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    assert all(traces(made) == traces(model) for made in copies)


def test_what_was_recorded_is_let_go_of_with_the_write() -> None:
    """Not when Python next looks for cycles: that takes many steps, and on a GPU memory may be short before."""
    model = Model()
    taps = capture_torch.attach(model, every=1, samples=None, layers="*")
    gc.collect()
    gc.disable()
    try:
        with taps:
            nn.functional.mse_loss(model(batch()[0]), batch()[1]).backward()
            tapped = taps._recorder._taps.values()  # type: ignore[attr-defined]  # of TorchTaps
            calls = [weakref.ref(call) for tap in tapped for call in tap._calls]
            assert len(calls) == len(tapped)
            taps.collect(0)
            assert [call() for call in calls if call() is not None] == []
    finally:
        gc.enable()


def test_two_taps_on_one_model() -> None:
    model = Model()
    x, y = batch()
    expected = plain_gradients(model, x, y)
    before = traces(model)
    first = capture_torch.attach(model, every=1, samples=None)
    second = capture_torch.attach(model, every=1, samples=None)
    nn.functional.mse_loss(model(x), y).backward()
    check(first.collect(0), expected)
    check(second.collect(0), expected)
    first.detach()
    copy.deepcopy(model.body)
    second.detach()
    assert traces(model) == before


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, NAMES),
        ("*", ["encoder/0", "norm", *NAMES, "head"]),
        ("head", ["head"]),
        ("body", NAMES[:2]),
        ("layer_1", NAMES[1:2]),
        ("parts/last", NAMES[2:3]),
        (-1, NAMES[3:]),
        ([2, "body/layer_0"], [NAMES[0], NAMES[2]]),
    ],
)
def test_layers(layers: Any, expected: list[str]) -> None:
    model = Model()
    with capture_torch.attach(model, every=1, samples=None, layers=layers) as taps:
        made: list[record.LayerRecord] = []
        train(model, 1, lambda step: made.extend(taps.collect(step)))
    assert [each.name for each in made] == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": "nothing"}, ValueError, "'body/layer_0', 'body/layer_1', 'parts/last', 'cell'"),
        ({"layers": 4}, ValueError, "none of the model's"),
        ({"layers": "nothing"}, ValueError, "nor of its other layers: 'encoder/0', 'norm', 'head'"),
        ({"layers": []}, ValueError, "empty list"),
        ({"layers": True}, TypeError, "layers"),
        ({"layers": 1.5}, TypeError, "layers"),
        ({"every": 0}, ValueError, "every"),
        ({"samples": 0}, ValueError, "samples"),
        ({"optimizer": "adam"}, TypeError, "optimizer"),
        ({"grad_scaler": 2.0}, TypeError, "grad_scaler"),
        ({"quantities": ["gate"]}, ValueError, "quantities"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    model = Model()
    before = traces(model)
    with pytest.raises(error, match=message):
        capture_torch.attach(model, **{"every": 1, "samples": None, **options})
    assert traces(model) == before


def test_wrong_models() -> None:
    with pytest.raises(ValueError, match="Linear has no recurrent layer"):
        capture_torch.attach(nn.Linear(2, 2), every=1, samples=None)
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got dict"):
        capture_torch.attach({}, every=1, samples=None)  # type: ignore[arg-type]  # on purpose
