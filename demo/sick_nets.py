"""Small nets that are healthy, or sick in one known way, to see whether the diagnosis tells them apart.

A fault is planted in the weights, whatever the framework: these come as a LayerRecord has them, in Keras's orientation.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.diagnostics.finding import Fault

Framework = Literal["PyTorch", "Keras"]
FloatArray: TypeAlias = npt.NDArray[np.float32]
Matrices: TypeAlias = dict[str, FloatArray]
#: Direction to matrix name to matrix, to be changed in place; and the names of their gates.
Spoil: TypeAlias = Callable[[Mapping[str, Matrices], tuple[str, ...]], None]

UNITS = 16
TIMESTEPS = 40
BATCH = 32
LEARNING_RATE = 5e-3


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is to be the first finding, and where."""

    fault: Fault
    direction: str = ""
    gate: str = ""
    since: int = 0


@dataclasses.dataclass(frozen=True)
class Net:
    """A recurrent layer and a dense one that learn something of a sequence of random numbers.

    Attributes:
        name: What it shows.
        cell: "lstm", "gru" or "rnn".
        bidirectional: Whether there is a backward direction.
        activation: Of a plain RNN: "tanh" or "relu".
        target: "mean": that of the sequence, which gives every timestep a say; "first": its first number, which is
            learned by memory alone.
        learning_rate: Adam's.
        spoil: What is done to the weights; None: nothing.
        spoil_at: Before which step.
        expected: The first finding; None: no warning and no error.
    """

    name: str
    cell: str
    bidirectional: bool = False
    activation: str = "tanh"
    target: Literal["mean", "first"] = "mean"
    learning_rate: float = LEARNING_RATE
    spoil: Spoil | None = None
    spoil_at: int = 0
    expected: Expected | None = None

    @property
    def directions(self) -> tuple[str, ...]:
        """As a LayerRecord has them."""
        return (cells.FORWARD, cells.BACKWARD) if self.bidirectional else (cells.FORWARD,)


def batches(net: Net, steps: int, seed: int) -> list[tuple[FloatArray, FloatArray]]:
    """Sequences of random numbers, and what is to be learned of them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0, 1, (steps, BATCH, TIMESTEPS, 2)).astype(np.float32)
    return [(x, x[:, 0, :1] if net.target == "first" else x[:, :, :1].mean(axis=1) * np.float32(4)) for x in inputs]


def scale_recurrence(factor: float) -> Spoil:
    """Recurrent weights of which every eigenvalue is as large as a factor."""

    def spoil(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
        for matrices in by_direction.values():
            orthogonal, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(UNITS, UNITS)))
            matrices["recurrent_kernel"][...] = np.tile(orthogonal, max(len(gates), 1)) * factor

    return spoil


def scale_identity(factor: float) -> Spoil:
    """Weights that hand each unit its own state times a factor, and no bias. Factor 1: Le, Jaitly, Hinton 2015."""

    def spoil(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
        for matrices in by_direction.values():
            matrices["recurrent_kernel"][...] = np.tile(np.eye(UNITS), max(len(gates), 1)) * factor
            for name in matrices.keys() & {"bias", "other_bias"}:
                matrices[name][...] = 0

    return spoil


def scale_weights(factor: float) -> Spoil:
    """All weights but the biases, times a factor."""

    def spoil(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:  # noqa: ARG001  # of every gate
        for matrices in by_direction.values():
            for matrix in ("kernel", "recurrent_kernel"):
                matrices[matrix] *= factor

    return spoil


def set_bias(gate: str, value: float) -> Spoil:
    """The bias of one gate, in all units."""

    def spoil(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
        for matrices in by_direction.values():
            biases = cells.split_gates(matrices["bias"], gates)[gate]
            biases[...] = 0
            biases.reshape(-1, UNITS)[0] = value

    return spoil


def _kill_units(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
    """A bias that a ReLU never overcomes."""
    for matrices in by_direction.values():
        for biases in cells.split_gates(matrices["bias"], gates).values():
            biases.reshape(-1, UNITS)[0, : UNITS // 4] = -50


def _plant_nan(direction: str, gate: str) -> Spoil:
    def spoil(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
        cells.split_gates(by_direction[direction]["recurrent_kernel"], gates)[gate][3, 5] = np.nan

    return spoil


def _push_gates_to_both_ends(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
    """Biases of one unit up, of the next one down, so far that nothing else counts."""
    for matrices in by_direction.values():
        for gate, biases in cells.split_gates(matrices["bias"], gates).items():
            if gate != "cell":
                biases.reshape(-1, UNITS)[0] = 12 * (-1) ** np.arange(UNITS)


def make_units_alike(by_direction: Mapping[str, Matrices], gates: tuple[str, ...]) -> None:
    """Weights that a careless initialisation gives: all units have the same, and say the same."""
    for matrices in by_direction.values():
        for matrix in matrices.values():
            for block in cells.split_gates(matrix, gates).values():
                block[...] = block[..., :1]


NAN_STEP = 24

SICK = (
    Net(
        "recurrent weights scaled to vanish",
        "rnn",
        target="first",
        spoil=scale_recurrence(0.05),
        expected=Expected("vanishing", cells.FORWARD),
    ),
    Net(
        "recurrent weights scaled to explode",
        "rnn",
        activation="relu",
        spoil=scale_recurrence(3),
        expected=Expected("exploding", cells.FORWARD),
    ),
    Net(
        "forget bias −5",
        "lstm",
        spoil=set_bias("forget", -5),
        expected=Expected("saturated_gate", cells.FORWARD, "forget"),
    ),
    Net(
        "a quarter of the units dead",
        "rnn",
        activation="relu",
        learning_rate=LEARNING_RATE / 10,
        spoil=_kill_units,
        expected=Expected("dead_units", cells.FORWARD),
    ),
    Net(
        "NaN in the backward forget gate",
        "lstm",
        bidirectional=True,
        spoil=_plant_nan(cells.BACKWARD, "forget"),
        spoil_at=NAN_STEP,
        expected=Expected("nan", cells.BACKWARD, "forget", NAN_STEP),
    ),
    Net(
        "saturated gates",
        "lstm",
        spoil=_push_gates_to_both_ends,
        expected=Expected("saturated_gate", cells.FORWARD),
    ),
    Net(
        "learning rate × 1000",
        "lstm",
        learning_rate=1000 * LEARNING_RATE,
        expected=Expected("learning_rate", cells.FORWARD),
    ),
)

HEALTHY = tuple(Net(f"healthy {name}", cell) for name, cell in (("LSTM", "lstm"), ("GRU", "gru"), ("RNN", "rnn")))
