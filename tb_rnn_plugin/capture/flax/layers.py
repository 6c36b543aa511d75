"""One layer of a Flax nnx model, and where its weights are."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy.typing as npt

# Flax's modules and JAX's arrays are Any here: what is asked of them differs from one version's types to the next.
Module: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]
Path: TypeAlias = tuple[str | int, ...]

FRAMEWORK = "flax"


@dataclasses.dataclass(frozen=True, eq=False)
class Half:
    """A module whose output is recorded: a layer, or one direction of it.

    Attributes:
        path: Where it is in the model.
        parameters: Matrix name to the paths, from this module on, of the parameters that joined along their last axis
            are the matrix.
        cell: "lstm", "gru", "rnn", or None for any other module.
        recurrent: Whether it is an nnx.RNN.
    """

    path: Path
    parameters: Mapping[str, tuple[Path, ...]]
    cell: str | None
    recurrent: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """One layer that can be recorded.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        cell: "lstm", "gru", "rnn", or None for any other layer.
        units: The width of one direction, if it has a cell.
        gates: In the order of the blocks of its weights.
        halves: Direction to the module that runs in that direction, unless its call says otherwise.
    """

    name: str
    cell: str | None
    units: int | None
    gates: tuple[str, ...]
    halves: Mapping[str, Half]


def parameter(module: Module, path: Path) -> Any:
    """What is at `path` in `module`; None if nothing is."""
    for part in path:
        is_container = isinstance(module, Mapping | list | tuple)
        module = module[part] if is_container else getattr(module, str(part), None)
        if module is None:
            return None
    return module


def variable(module: Module, path: Path) -> Any:
    """The nnx.Param at `path` in `module`.

    Raises:
        ValueError: If it is no longer there.
    """
    found = parameter(module, path)
    if found is None:
        raise ValueError(f"there is no parameter {'/'.join(map(str, path))} any more")
    return found
