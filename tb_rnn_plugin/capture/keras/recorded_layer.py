"""One layer of a Keras model as it is recorded: what a tap keeps of its calls, and what becomes of that.

Nothing here depends on Keras's backend, nor on whether it is Keras 3 or tf_keras: what is kept has become numpy arrays
before it comes here.
"""

import abc
import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.capture import frameworks

# Keras and its backends come without types: these names say what is meant.
Layer: TypeAlias = Any
Variable: TypeAlias = Any
Tensor: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]

#: What one tap on one call leaves behind: "activation", "output_gradient", and more under the names below.
Part: TypeAlias = Mapping[str, Array]
STATE_GRADIENT = "state_gradient/"  # + the state's index; where a layer returns its last states
INPUT = "input"
MASK = "mask"
INITIAL_STATE = "initial_state/"
DIFFERENTIATED = "differentiated"  # (samples, 1); there where the loss holds gradients that came back through the call

SEQUENCE_RANK = 3
# What LayerRecord takes.
_WEIGHT_RANKS = range(1, 6)

_KERAS_3 = "keras"
_KERAS_2 = "tf_keras"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class RecordedLayer(abc.ABC):
    """One layer that can be recorded: what its record is called, where its weights are, what is kept of its calls.

    Attributes:
        name: The record's name: the layer's path in the model, with "/" between the parts.
        tapped: The Keras layers whose outputs are recorded; each leaves a part of every call.
        cell: "lstm", "gru" or "rnn"; None for any other.
        units: The width of one direction of a recurrent layer, where it is known.
    """

    name: str
    tapped: tuple[Layer, ...]
    cell: str | None = None
    units: int | None = None

    @property
    def framework(self) -> str:
        """The package that it comes from: "keras" or "tf_keras"."""
        return framework_of(self.tapped[0])

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions it runs in."""
        return (cells.FORWARD,)

    @property
    def keeps_inputs(self) -> bool:
        """Whether what a call was given is of use: where the cell is known."""
        return False

    @property
    @abc.abstractmethod
    def variables(self) -> dict[tuple[str, str], Variable]:
        """(direction, matrix name) to variable; empty while the layer isn't built."""

    @abc.abstractmethod
    def kept(self, tensors: Sequence[Tensor]) -> list[int]:
        """Which of the tensors that a call returned are kept: the output, and after it the last states.

        None, where the layer has no sequences; that a gradient came through is worth knowing even then, so the tap is
        on the first tensor of floats.

        Args:
            tensors: What a call returned, flattened.
        """

    @abc.abstractmethod
    def sequences(self, parts: Sequence[Part]) -> dict[str, Array]:
        """Activation and output gradient (samples, timesteps, channels) of one call; empty where there are none."""

    def space(self, parts: Sequence[Part]) -> tuple[int, ...]:  # noqa: ARG002  # for those that have one
        """The shape in which each filter of a convolutional layer lies."""
        return ()

    def inputs(self, parts: Sequence[Part]) -> dict[str, Array]:  # noqa: ARG002
        """What a call was given, if that was kept."""
        return {}

    def first_samples(self, name: str, tensor: Tensor, samples: int | None) -> Tensor:  # noqa: ARG002
        """The first samples of what a call was given under a name; None: all of them."""
        return tensor[:samples]

    def matrices(self, arrays: Mapping[tuple[str, str], Array]) -> dict[str, dict[str, Array]]:
        """Direction to matrix name to array, of what the `variables` hold or of their gradients."""
        by_direction: dict[str, dict[str, Array]] = {}
        for (direction, matrix), array in arrays.items():
            by_direction.setdefault(direction, {})[matrix] = read_only(array)
        return by_direction


def framework_of(layer: object) -> str:
    """The Keras that a layer comes from, by the name of its package: "keras" or "tf_keras"."""
    return _KERAS_2 if frameworks.is_from(layer, _KERAS_2) else _KERAS_3


def keras_of(layer: object) -> Any:  # a module
    """The Keras that a layer comes from: Keras 3, or tf_keras."""
    return sys.modules[framework_of(layer)]


def read_only(array: Array) -> Array:
    """Arrays that were made here will not change: said so, they aren't copied again."""
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.flags.writeable = False
    return array


def is_float(tensor: Tensor) -> bool:
    """Whether it is a tensor, or a variable, of floats."""
    dtype = getattr(tensor, "dtype", "")  # a str, or a type of TensorFlow, JAX or PyTorch
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2].startswith(("float", "bfloat"))


def is_sequence(tensor: Tensor) -> bool:
    """Whether it is a tensor of floats (samples, timesteps, channels)."""
    if not is_float(tensor) or getattr(tensor.shape, "rank", SEQUENCE_RANK) is None:
        return False  # TensorFlow has shapes of unknown rank, which have no length
    return len(tensor.shape) == SEQUENCE_RANK


def children(layer: Layer) -> list[Layer]:
    """The layers directly in a layer. Those of a model are in the order of its graph, others as they were set."""
    if isinstance(layer, keras_of(layer).Model):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001  # no public way


def named_variables(layer: Layer) -> dict[str, Variable]:
    """Every weight in a layer by its path from there, such as "kernel" or "query/kernel"; those that can be recorded.

    Weights of one path are numbered: "kernel", "kernel_1".
    """
    named: dict[str, Variable] = {}
    for path, variable in _variables(layer, "", set()):
        shape = tuple(variable.shape)
        if is_float(variable) and len(shape) in _WEIGHT_RANKS and math.prod(shape):
            named[numbered(path, named)] = variable
    return named


def numbered(name: str, taken: Mapping[str, object] | set[str]) -> str:
    """`name`, or the first of "name_1", "name_2", … that isn't taken."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def _variables(layer: Layer, parent: str, seen: set[int]) -> Iterator[tuple[str, Variable]]:
    # A layer's own weights, without those of its children, have no public name; in tf_keras they have another one.
    kinds = ("_trainable_variables", "_non_trainable_variables", "_trainable_weights", "_non_trainable_weights")
    for variable in (variable for kind in kinds for variable in getattr(layer, kind, ())):
        if id(variable) not in seen:
            seen.add(id(variable))
            # tf_keras names a weight by its path in the model: "lstm/kernel:0".
            yield parent + variable.name.rpartition("/")[2].partition(":")[0], variable
    for child in children(layer):
        if id(child) not in seen:
            seen.add(id(child))
            yield from _variables(child, f"{parent}{child.name}/", seen)
