"""The log directory that the tests of storage and routes share, and what was written into it.

`python -m tests.logs <writer> <directory> <shift> <step>…` writes through one of the three kinds of writer, so
that TensorFlow and PyTorch are imported only in a process of their own.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.event_file import read_events, write_record
from tb_rnn_plugin.record import FloatArray, LayerRecord

LAYER = "encoder/bilstm"
STEPS = (0, 50, 100)
NOT_FINITE = (1, 2, 3)  # sample, timestep and channel of a NaN; Inf beside it


#: What the arrays route is asked for: a gradient with NaN and Inf in it, and an activation that is as small as can be.
ARRAYS: dict[str, Any] = {"run": "directory", "layer": LAYER, "quantity": "output_gradient", "step": 50}
SMALL_ARRAYS: dict[str, Any] = {"run": "small", "layer": "a/b", "quantity": "activation", "step": 11}


def floats(seed: int, *shape: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def records(step: int, shift: float = 0.0) -> list[LayerRecord]:
    """What every kind of writer writes; the blobs of an activation are more than one."""
    activation = floats(step, 6, 40, 512) + np.float32(shift)
    activation[-1] = 0  # values that end in zero bytes
    gradient = floats(step + 1, 6, 40, 512) * np.float32(1e-20)
    gradient[NOT_FINITE] = np.nan
    gradient[NOT_FINITE[0], NOT_FINITE[1], NOT_FINITE[2] + 1] = -np.inf
    matrices = {
        "kernel": floats(step + 2, 3, 1024),
        "recurrent_kernel": floats(step + 3, 256, 1024),
        "bias": np.zeros(1024),
    }
    bilstm = LayerRecord(
        LAYER,
        cell="lstm",
        units=256,
        directions=("forward", "backward"),
        sequences={"activation": activation, "output_gradient": gradient},
        weights={"forward": matrices, "backward": {"bias": floats(step + 4, 1024)}},
        framework="keras",
    )
    gru = LayerRecord(
        "decoder/gru",
        cell="gru",
        units=2,
        sequences={"activation": floats(step, 2, 5, 2), "output_gradient": np.zeros((2, 1, 2))},
    )
    return [bilstm, gru]


def small(step: int, shift: float = 0.0) -> LayerRecord:
    return LayerRecord("a/b", cell="rnn", units=3, sequences={"activation": floats(step, 1, 2, 3) + np.float32(shift)})


def widths(step: int) -> LayerRecord:
    """As an attention's scores: as many channels as the batch has timesteps."""
    return LayerRecord("attention", sequences={"activation": floats(step, 1, 2, 3 + 2 * step)})


def write_widths(directory: Path) -> None:
    for step in (0, 1):
        rnn_summary.write(widths(step), step, directory)
    rnn_summary.close()


def write(kind: str, directory: Path, shift: float, steps: list[int]) -> None:
    warnings.simplefilter("ignore")  # the frameworks' own
    with_scalars = bool(shift == 0)
    if kind == "directory":
        for step in steps:
            rnn_summary.write(records(step, shift) if with_scalars else small(step, shift), step, directory)
    elif kind == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        writer: Any = tf.summary.create_file_writer(str(directory))
        with writer.as_default():
            for step in steps:
                rnn_summary.write(records(step), step)
                tf.summary.scalar("loss", step / 4, step)
    else:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

        with SummaryWriter(directory) as user:
            for step in steps:
                rnn_summary.write(records(step), step, user)
                user.add_scalar("loss", step / 4, step)


def write_small(directory: Path, steps: range, shift: float = 0.0) -> None:
    for step in steps:
        rnn_summary.write(small(step, shift), step, directory)
    rnn_summary.close()


ODD_NAMES = ('"quoted"', "back\\slash", "50%", "a:b", "..", "<script>alert(1)</script>", "層/層:0", "x" * 3000)
LARGEST_STEP = 10**18 - 1


def write_odd_names(directory: Path) -> None:
    """Layers that are as small as can be, named so."""
    layers = [LayerRecord(name, sequences={'the "y"': floats(len(name), 1, 2, 3)}) for name in ODD_NAMES]
    rnn_summary.write(layers, LARGEST_STEP, directory)
    rnn_summary.close()


DAMAGE = ("text", "rank 1", "floats", "blobs", "no blobs", "rank 0", "float blobs", "cut", "huge", "metadata")


def write_damaged(directory: Path) -> None:
    """A run in which all is well but for one layer of each kind of damage."""
    sound = directory.with_name("sound, not served")
    layers = [LayerRecord(name, sequences={"activation": floats(0, 2, 3, 4)}) for name in ("good", *DAMAGE)]
    rnn_summary.write(layers, 0, sound)
    rnn_summary.close()
    (source,) = sound.iterdir()
    directory.mkdir()
    with (directory / source.name).open("wb") as file:
        for event in read_events(source):
            for value in event.summary.value:
                _damage(value)
            write_record(file, event.SerializeToString())
    source.unlink()
    sound.rmdir()


def _damage(value: Any) -> None:
    kind = value.tag.partition("/")[2].partition(":")[0]
    tensor, light = value.tensor, value.tag.startswith("rnn/")
    dim = tensor.tensor_shape.dim
    if kind == "metadata":
        value.metadata.plugin_data.content = b"\xff\xff"
    elif light and kind == "text":
        tensor.string_val[0] = b"garbage \xff\x00"
    elif light and kind == "rank 1":
        dim.add(size=2)
        tensor.string_val.append(b"more")
    elif light and kind == "floats":
        tensor.ClearField("string_val")
        tensor.dtype = 1
        tensor.float_val.append(1.5)
    elif not light and kind == "blobs":
        tensor.string_val[0] = b"garbage \xff\x00"
    elif not light and kind == "no blobs":
        tensor.ClearField("string_val")
        dim[0].size = 0
    elif not light and kind == "rank 0":
        tensor.tensor_shape.ClearField("dim")
    elif not light and kind == "float blobs":
        tensor.ClearField("string_val")
        tensor.dtype = 1
        tensor.float_val.append(1.5)
    elif not light and kind == "cut":
        tensor.string_val[0] = tensor.string_val[0][:-30]
    elif not light and kind == "huge":
        tensor.string_val[0] = tensor.string_val[0].replace(b"\x22\x02\x03\x04", b"\x22\x02\x7f\x7f")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), [int(step) for step in sys.argv[4:]])
