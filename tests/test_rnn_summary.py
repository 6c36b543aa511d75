"""The public writing API: its arguments, and what it needs none of."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.encoding import from_bfloat16, to_bfloat16
from tb_rnn_plugin.rnn_summary import LayerRecord

RNG = np.random.default_rng(7)


def record(name: str = "lstm", samples: int = 3) -> LayerRecord:
    return LayerRecord(name, sequences={"activation": RNG.standard_normal((samples, 4, 5), dtype=np.float32)})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"step": 1.0}, TypeError, "step: expected an int, got float"),
        ({"step": "1"}, TypeError, "step: expected an int, got str"),
        ({"step": True}, TypeError, "step: expected an int, got bool"),
        ({"step": None}, TypeError, "step: expected an int, got NoneType"),
        ({"step": -1}, ValueError, "step: expected 0 or more, got -1"),
        ({"step": 2**63}, ValueError, "step: expected less than"),
        ({"samples": 0}, ValueError, "samples: expected at least 1, got 0"),
        ({"samples": 1.0}, TypeError, "samples: expected an int or None, got float"),
        ({"dtype": "float16"}, ValueError, "dtype: expected one of 'float32', 'bfloat16', got 'float16'"),
        ({"records": []}, ValueError, "records: expected at least one"),
        ({"records": "lstm"}, TypeError, "records: expected .* got str"),
        ({"records": 3}, TypeError, "records: expected .* got int"),
        ({"records": [record(), np.zeros(3)]}, TypeError, "records: expected LayerRecords only, got ndarray"),
        ({"records": [record("a"), record("b"), record("a")]}, ValueError, "records: .* got a twice"),
    ],
)
def test_wrong_arguments(tmp_path: Path, given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rnn_summary.write(**{"records": record(), "step": 0, "writer": tmp_path / "run", **given})
    assert not (tmp_path / "run").exists()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    int_of_numpy: Any = np.int64(7)
    given = [record("a/b"), record("c")]
    assert rnn_summary.write(iter(given), int_of_numpy, tmp_path)
    back = list(rnn_summary.read(tmp_path))
    assert [(step, one.name) for step, one in back] == [(7, "a/b"), (7, "c")]
    for (_, one), before in zip(back, given, strict=True):
        assert np.array_equal(one.sequences["activation"], before.sequences["activation"])


def test_reading_picks_a_layer(tmp_path: Path) -> None:
    for step in range(3):
        rnn_summary.write([record("a"), record("b")], step, tmp_path)
    assert [(step, one.name) for step, one in rnn_summary.read(tmp_path, layer="b")] == [(s, "b") for s in range(3)]
    with pytest.raises(ValueError, match=r"layer: .* has a, b; got 'c'"):
        list(rnn_summary.read(tmp_path, layer="c"))


def test_reading_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no RNN data"):
        list(rnn_summary.read(tmp_path))
    with pytest.raises(FileNotFoundError):
        list(rnn_summary.read(tmp_path / "none"))


def test_a_damaged_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    rnn_summary.write(record(), 0, tmp_path)
    rnn_summary.close()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}.*damaged"):
        list(rnn_summary.read(tmp_path))


def test_samples_and_dtype(tmp_path: Path) -> None:
    one = record(samples=5)
    rnn_summary.write(one, 0, tmp_path, samples=2, dtype="bfloat16")
    ((_, back),) = rnn_summary.read(tmp_path)
    expected = from_bfloat16(to_bfloat16(one.sequences["activation"][:2]))
    assert np.array_equal(back.sequences["activation"], expected)


def test_what_changes_after_write_is_not_written(tmp_path: Path) -> None:
    array = np.ones((1, 2, 3), np.float32)
    for step in range(20):
        array[:] = step
        rnn_summary.write(LayerRecord("a", sequences={"activation": array}), step, tmp_path)
    array[:] = -1
    assert [float(one.sequences["activation"].max()) for _, one in rnn_summary.read(tmp_path)] == list(range(20))


def test_quantities_of_a_layer_may_be_written_one_by_one(tmp_path: Path) -> None:
    for quantity in ("activation", "output_gradient"):
        rnn_summary.write(LayerRecord("a", sequences={quantity: np.ones((1, 2, 3))}), 0, tmp_path)
    ((step, back),) = rnn_summary.read(tmp_path)
    assert (step, list(back.sequences)) == (0, ["activation", "output_gradient"])


FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "torch", "jax", "flax")


@pytest.mark.parametrize("module", ["tb_rnn_plugin", "tb_rnn_plugin.rnn_summary", "tb_rnn_plugin.plugin"])
def test_importing_imports_no_framework(module: str) -> None:
    code = f"import sys, {module}; print(*(set({FRAMEWORKS}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_writing_and_reading_need_no_framework(tmp_path: Path) -> None:
    code = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FRAMEWORKS}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Block())
import numpy as np
from tb_rnn_plugin import rnn_summary
ones = rnn_summary.LayerRecord("a", cell="lstm", units=2, sequences={{"activation": np.ones((1, 3, 2))}})
rnn_summary.write(ones, step=5, writer=sys.argv[1])
((step, back),) = rnn_summary.read(sys.argv[1], layer="a")
assert step == 5 and (back.sequences["activation"] == 1).all()
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = rnn_summary.nothing


def test_a_model_of_no_framework_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="model: expected"):
        rnn_summary.attach(object())
    with pytest.raises(TypeError, match="model: expected"):
        rnn_summary.capture(object(), None, None)
    with pytest.raises(TypeError, match="model: expected"):
        rnn_summary.describe(object())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"samples": 0}, ValueError, "samples: expected at least 1, got 0"),
        ({"samples": None}, TypeError, "samples: expected an int, got NoneType"),
        ({"timesteps": 1.5}, TypeError, "timesteps: expected an int, got float"),
        ({"timesteps": True}, TypeError, "timesteps: expected an int, got bool"),
    ],
)
def test_wrong_sizes_to_describe(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rnn_summary.describe(object(), **given)


def test_a_keras_model_on_pytorch_takes_no_grad_scaler() -> None:
    module = type("Module", (), {"__module__": "torch.nn"})
    model = type("Model", (module,), {"__module__": "keras.src.models.model"})
    with pytest.raises(TypeError, match="grad_scaler: expected only with a PyTorch model"):
        rnn_summary.attach(model(), grad_scaler=object())


@pytest.mark.torch
def test_only_a_keras_optimizer_says_how_to_clip() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"clipped: expected only with a Keras model.* after torch\.nn\.utils"):
        rnn_summary.capture(torch.nn.GRU(2, 3), None, None, clipped=True)
