"""What see-rnn itself returns, to hold captures against; see data/README.md."""

import functools
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.record import LayerRecord

_PATH = pathlib.Path(__file__).parent / "data" / "see_rnn_reference.npz"
TOLERANCE = 1e-5

#: Keras 3 divides a masked loss by the number of valid steps (31 of 48 here), see-rnn's Keras by that of all of them.
_MASKED_SEQUENCE_FACTOR = 48 / 31


@functools.cache
def _arrays() -> dict[str, npt.NDArray[np.float32]]:
    with np.load(_PATH) as file:
        return dict(file)


def cases() -> list[str]:
    """The settings there are numbers for: "lstm/seq", "lstm/seq/masked", …."""
    return sorted(key.removesuffix("/x") for key in _arrays() if key.endswith("/x"))


def array(case: str, what: str) -> npt.NDArray[np.float32]:
    """One array of a case, as see-rnn returned it."""
    return _arrays()[f"{case}/{what}"]


def weights(case: str) -> list[npt.NDArray[np.float32]]:
    """All weights of a case's model, in model order."""
    return _starting_with(f"{case}/w/")


def sample_weight(case: str) -> npt.NDArray[np.float32] | None:
    """The sample weights, in the shape that Keras 3 wants: for targets with timesteps (samples, 1)."""
    if not case.endswith("/sw"):
        return None
    given = array(case, "sample_weight")
    return given[:, None] if "/seq" in case else given


def is_masked(case: str) -> bool:
    """Whether the model has a Masking layer."""
    return "/masked" in case


def check(case: str, records: Sequence[LayerRecord]) -> None:
    """Holds records of a case's model against see-rnn's numbers."""
    factor = _MASKED_SEQUENCE_FACTOR if "/seq/masked" in case else 1.0
    assert [record.name for record in records] == (["rnn1"] if "/seq" in case else ["rnn1", "rnn2"])
    for record in records:
        of_layer = {
            "activation": (array(case, f"out/{record.name}"), 1.0),
            "output_gradient": (array(case, f"dout/{record.name}"), factor),
        }
        for quantity, (expected, scale) in of_layer.items():
            sequence = record.sequences[quantity]
            assert sequence.ndim == 3
            np.testing.assert_allclose(
                sequence, expected.reshape(sequence.shape) * scale, atol=TOLERANCE, err_msg=quantity
            )
        _check_matrices(record.weights, _starting_with(f"{case}/w/{record.name}/"), 1.0)
        _check_matrices(record.weight_gradients, _starting_with(f"{case}/dw/{record.name}/"), factor)


def _check_matrices(by_direction: object, expected: list[npt.NDArray[np.float32]], scale: float) -> None:
    assert isinstance(by_direction, dict)
    matrices = {f"{direction}/{name}": m for direction, of in by_direction.items() for name, m in of.items()}
    assert len(matrices) == len(expected)
    for (name, matrix), wanted in zip(matrices.items(), expected, strict=True):
        np.testing.assert_allclose(matrix, wanted * scale, atol=TOLERANCE, err_msg=name)


def _starting_with(prefix: str) -> list[npt.NDArray[np.float32]]:
    return [value for key, value in _arrays().items() if key.startswith(prefix)]
