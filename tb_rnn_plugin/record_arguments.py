"""The arguments of a LayerRecord, each checked on its own; how they fit together is `record`'s to say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells

_DIRECTIONS = ((cells.FORWARD,), (cells.BACKWARD,), (cells.FORWARD, cells.BACKWARD))


def checked_name(name: object, argument: str) -> str:
    """A name that can stand in a tag.

    Raises:
        TypeError: If it isn't a str.
        ValueError: If it is empty, not printable, or begins or ends with "/" or a space.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a str, got {type(name).__name__}.")
    if not name or name != name.strip("/ ") or not name.isprintable():
        raise ValueError(
            f"{argument}: expected a printable name without a leading or trailing '/' or space, got {name!r}."
        )
    return name


def checked_cell(cell: object) -> str | None:
    """A known cell, or None.

    Raises:
        ValueError: If it is another one.
    """
    if cell is None or (isinstance(cell, str) and cell in cells.CELLS):
        return cell
    raise ValueError(f"cell: expected one of {', '.join(map(repr, cells.CELLS))} or None, got {cell!r}.")


def checked_width(width: object, argument: str) -> int | None:
    """A number of units, or None.

    Raises:
        TypeError: If it is neither an int nor None.
        ValueError: If it is below 1.
    """
    if width is None:
        return None
    if isinstance(width, bool) or not isinstance(width, int | np.integer):
        raise TypeError(f"{argument}: expected an int or None, got {type(width).__name__}.")
    if width < 1:
        raise ValueError(f"{argument}: expected at least 1, got {width}.")
    return int(width)


def checked_space(space: Sequence[int]) -> tuple[int, ...]:
    """The extents of a convolutional layer's space; empty where there is none.

    Raises:
        TypeError: If it isn't a sequence of ints.
        ValueError: If an extent is below 1.
    """
    if not isinstance(space, Sequence) or isinstance(space, str):
        raise TypeError(f"space: expected a sequence of ints, got {type(space).__name__}.")
    if any(isinstance(extent, bool) or not isinstance(extent, int | np.integer) for extent in space):
        raise TypeError(f"space: expected ints, such as (rows, columns), got {space!r}.")
    if any(extent < 1 for extent in space):
        raise ValueError(f"space: expected at least 1 along each axis, got {space!r}.")
    return tuple(map(int, space))


def checked_directions(directions: Sequence[str]) -> tuple[str, ...]:
    """The forward direction, or both.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(directions, Sequence) or tuple(directions) not in _DIRECTIONS:
        raise ValueError(
            f"directions: expected ('forward',), ('backward',) or ('forward', 'backward'), got {directions!r}."
        )
    return tuple(directions)


def checked_gates(gates: Sequence[str] | None, cell: str | None) -> tuple[str, ...]:
    """The gates of a cell, in their order; None: in Keras's.

    Raises:
        ValueError: If they aren't those of the cell, each once.
    """
    if gates is None:
        return () if cell is None else cells.KERAS_GATES[cell]
    names = cells.GATE_NAMES.get(cell or "", frozenset())
    if (
        not isinstance(gates, Sequence)
        or isinstance(gates, str)
        or len(gates) != len(set(gates))
        or set(gates) != names
    ):
        raise ValueError(
            f"gates: expected the gates of cell {cell!r}, each once, in the order of its weights: "
            f"{tuple(sorted(names))}; got {gates!r}."
        )
    return tuple(gates)


def float_array(values: Any, argument: str) -> npt.NDArray[np.float32]:  # a tensor of any framework, or numpy's
    """A read-only float32 array of `values`; a copy, unless it is one already.

    Raises:
        TypeError: If it does not hold real numbers.
        ValueError: If it holds none at all.
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):  # a torch tensor: numpy refuses one that needs a gradient
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):  # numpy has no such type
            values = values.float()
        values = values.numpy()
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{argument}: expected an array of real numbers, got {type(values).__name__} ({error})."
        ) from error
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise TypeError(
            f"{argument}: expected an array of real numbers, got {type(values).__name__} of dtype {array.dtype}."
        )
    if array.size == 0:
        raise ValueError(f"{argument}: expected at least one number, got shape {array.shape}.")
    if array.dtype != np.float32 or array.flags.writeable or not array.flags.c_contiguous:
        # A value beyond float32's range becomes Inf, as it would in any float32 training: it is shown, not hidden.
        with np.errstate(over="ignore"):
            array = np.array(array, dtype=np.float32, order="C")
        array.flags.writeable = False
    return array
