"""LayerRecord: what is known of one layer at one step, validated."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin import cells
from tb_rnn_plugin.quantity_names import CELL_STATE, GATE, INPUT_GRADIENT, is_reach
from tb_rnn_plugin.record_arguments import (
    checked_cell,
    checked_directions,
    checked_gates,
    checked_name,
    checked_space,
    checked_width,
    float_array,
)
from tb_rnn_plugin.recurrence.layer import Recurrence, is_derived

FloatArray = npt.NDArray[np.float32]
Matrices = Mapping[str, FloatArray]
Norms = npt.NDArray[np.float64]

#: Names of the two quantities that are matrices of a direction, not sequences.
WEIGHTS = "weights"
WEIGHT_GRADIENTS = "weight_gradients"
MATRIX_QUANTITIES = (WEIGHTS, WEIGHT_GRADIENTS)

KERNEL = "kernel"
RECURRENT_KERNEL = "recurrent_kernel"
BIAS = "bias"

_HIGHEST_WEIGHT_RANK = 5
_SEQUENCE_RANK = 3


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LayerRecord:
    """What is known of one layer at one training step.

    A record is a value: arrays that are given are copied as float32, unless they are float32 and read-only already, in
    which case whoever made them has said that they will not change.

    Attributes:
        name: The layer's path in the model, with "/" between its parts.
        cell: "lstm", "gru", "rnn", or None for any other layer.
        units: The width of the hidden state; for an LSTM with a projection, that of the cell state.
        directions: ("forward",), ("backward",) or ("forward", "backward"). What runs backward, from the last timestep
            to the first, is in input time all the same.
        gates: Names of the blocks along the last axis of the weights, in their order. Left out: Keras's order for
            `cell`.
        sequences: Quantity to array (samples, timesteps, channels). The channels of a bidirectional layer are the
            forward ones, then the backward ones, both in input time. A quantity that exists at one timestep only has
            timesteps = 1. Of "input_gradient" the channels are the layer's inputs, by way of each direction; a "reach"
            has one channel a direction.
        weights: Direction to matrix name ("kernel", "recurrent_kernel", "bias") to array, in Keras's orientation:
            (inputs, gates x units), (units, gates x units), (gates x units) or (2, gates x units). Those of a layer
            without a cell have their framework's own names and orientation.
        weight_gradients: As `weights`.
        framework: Where the layer comes from: "keras", "torch", ….
        projection: The width of the projected hidden state (PyTorch's proj_size), where there is one.
        space: Of a convolutional layer, whose units are filters, the shape in which each filter lies: (rows, columns),
            or one or three numbers. Of an array (samples, timesteps, filters, rows, columns) the channels are
            filter x rows x columns + row x columns + column. Its kernels keep their own rank.
        recurrence: What some of the samples went through, from which the gradient through time, gates and cell states
            are computed when the record is written; None where there is nothing to be computed from.
    """

    name: str
    cell: str | None = None
    units: int | None = None
    directions: tuple[str, ...] = (cells.FORWARD,)
    gates: tuple[str, ...] = ()
    sequences: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, Matrices] = dataclasses.field(default_factory=dict)
    weight_gradients: Mapping[str, Matrices] = dataclasses.field(default_factory=dict)
    framework: str = ""
    projection: int | None = None
    space: tuple[int, ...] = ()
    recurrence: Recurrence | None = None

    def __init__(
        self,
        name: str,
        *,
        cell: str | None = None,
        units: int | None = None,
        directions: Sequence[str] = (cells.FORWARD,),
        gates: Sequence[str] | None = None,
        sequences: Mapping[str, Any] | None = None,
        weights: Mapping[str, Mapping[str, Any]] | None = None,
        weight_gradients: Mapping[str, Mapping[str, Any]] | None = None,
        framework: str = "",
        projection: int | None = None,
        space: Sequence[int] = (),
        recurrence: Recurrence | None = None,
    ) -> None:
        """Takes arrays of numpy, or of any framework that numpy can read, and validates them.

        Raises:
            TypeError: If an argument is of the wrong type, or an array does not hold real numbers.
            ValueError: If a name is unknown, or an array has the wrong rank or a shape that does not fit the others.
        """

        def set_(field: str, value: object) -> None:
            object.__setattr__(self, field, value)

        set_("name", checked_name(name, "name"))
        set_("cell", checked_cell(cell))
        set_("units", checked_width(units, "units"))
        set_("projection", checked_width(projection, "projection"))
        set_("space", checked_space(space))
        set_("directions", checked_directions(directions))
        set_("gates", checked_gates(gates, self.cell))
        set_("framework", str(framework))
        set_("sequences", _checked_sequences({} if sequences is None else sequences, self))
        set_(WEIGHTS, _checked_matrices({} if weights is None else weights, WEIGHTS, self))
        gradients = {} if weight_gradients is None else weight_gradients
        set_(WEIGHT_GRADIENTS, _checked_matrices(gradients, WEIGHT_GRADIENTS, self))
        _check_gradients_fit(self)
        if recurrence is not None and not isinstance(recurrence, Recurrence):
            raise TypeError(f"recurrence: expected a Recurrence or None, got {type(recurrence).__name__}.")
        set_("recurrence", recurrence)
        if not (self.sequences or self.weights or self.weight_gradients or recurrence):
            raise ValueError(
                f"LayerRecord {self.name!r}: nothing to record; give sequences, weights or weight_gradients."
            )

    def only(self, quantities: Collection[str]) -> "LayerRecord | None":
        """The record with these quantities alone; None when it has none of them."""
        sequences = {name: array for name, array in self.sequences.items() if name in quantities}
        weights = self.weights if WEIGHTS in quantities else {}
        weight_gradients = self.weight_gradients if WEIGHT_GRADIENTS in quantities else {}
        recurrence = self.recurrence and self.recurrence.only(frozenset(quantities))
        if not (sequences or weights or weight_gradients or recurrence):
            return None
        if len(sequences) == len(self.sequences) and (weights, weight_gradients, recurrence) == (
            self.weights,
            self.weight_gradients,
            self.recurrence,
        ):
            return self
        return dataclasses.replace(
            self, sequences=sequences, weights=weights, weight_gradients=weight_gradients, recurrence=recurrence
        )

    def channels(self, direction: str, quantity: str) -> slice:
        """The channels of one direction in a sequence.

        Raises:
            ValueError: If the layer does not have that direction.
        """
        if direction not in self.directions:
            raise ValueError(f"direction: layer {self.name!r} has {self.directions}, not {direction!r}.")
        width = self.sequences[quantity].shape[-1] // len(self.directions)
        start = self.directions.index(direction) * width
        return slice(start, start + width)

    def gate(
        self, gate: str, matrix: str = KERNEL, *, direction: str | None = None, gradient: bool = False
    ) -> FloatArray:
        """One gate's block of a matrix, (…, units); of the first direction, if none is given.

        Raises:
            ValueError: If the record does not have that direction, matrix or gate.
        """
        by_direction = self.weight_gradients if gradient else self.weights
        try:
            return cells.split_gates(by_direction[direction or self.directions[0]][matrix], self.gates)[gate]
        except KeyError as missing:
            raise ValueError(
                f"LayerRecord {self.name!r} has no {missing.args[0]!r}; directions are {tuple(by_direction)}, gates "
                f"{self.gates}, matrices {tuple(next(iter(by_direction.values()), ()))}."
            ) from None

    def norms(self, order: int = 2, *, gradient: bool = False) -> dict[str, dict[str, Norms]]:
        """The norms of the channels of every matrix: over all axes but the last one, of gates x units.

        They are summed in float64: the squares of gradients that have vanished are less than float32 can hold.

        Args:
            order: 1 for Σ|w|, 2 for √Σw².
            gradient: Whether of the weights' gradients.

        Returns:
            Direction to matrix name to array (gates x units), in float64.

        Raises:
            ValueError: If `order` is neither 1 nor 2.
        """
        if order not in {1, 2}:
            raise ValueError(f"order: expected 1 or 2, got {order!r}.")
        by_direction = self.weight_gradients if gradient else self.weights
        return {
            direction: {
                name: np.linalg.norm(matrix.reshape(-1, matrix.shape[-1]).astype(np.float64), order, axis=0)
                for name, matrix in matrices.items()
            }
            for direction, matrices in by_direction.items()
        }

    def __repr__(self) -> str:
        """Shapes in place of numbers."""
        parts = [repr(self.name), f"cell={self.cell!r}", f"units={self.units}", f"directions={self.directions}"]
        parts += [f"{quantity}{array.shape}" for quantity, array in self.sequences.items()]
        for quantity in MATRIX_QUANTITIES:
            for direction, matrices in getattr(self, quantity).items():
                parts += [f"{quantity}/{direction}/{matrix}{array.shape}" for matrix, array in matrices.items()]
        return f"LayerRecord({', '.join(parts)})"


def _checked_sequences(sequences: Mapping[str, Any], record: LayerRecord) -> dict[str, FloatArray]:
    if not isinstance(sequences, Mapping):
        raise TypeError(f"sequences: expected a mapping of quantity to array, got {type(sequences).__name__}.")
    checked: dict[str, FloatArray] = {}
    for quantity, values in sequences.items():
        checked_name(quantity, "sequences: a quantity")
        if quantity in MATRIX_QUANTITIES or ":" in quantity:
            raise ValueError(
                f"sequences: {quantity!r} can't be the name of a sequence; {WEIGHTS!r} and {WEIGHT_GRADIENTS!r} are "
                "arguments of their own, and ':' stands between layer and quantity in a tag."
            )
        argument = f"sequences[{quantity!r}] of layer {record.name!r}"
        array = float_array(values, argument)
        if array.ndim != _SEQUENCE_RANK:
            hint = " For a single timestep pass x[:, None, :]." if array.ndim == _SEQUENCE_RANK - 1 else ""
            raise ValueError(f"{argument}: expected (samples, timesteps, channels), got shape {array.shape}.{hint}")
        _check_channels(array, quantity, argument, record)
        checked[quantity] = array
    _check_shared_axes(checked, record.name)
    return checked


def _check_channels(array: FloatArray, quantity: str, argument: str, record: LayerRecord) -> None:
    directions = len(record.directions)
    channels = array.shape[-1]
    if is_reach(quantity) and channels != directions:
        count = f"{directions} channel{'s' * (directions > 1)}"
        raise ValueError(f"{argument}: expected {count} (one a direction), got shape {array.shape}.")
    if is_reach(quantity):
        return
    # Of a bidirectional layer's inputs each direction has its own share of the gradient.
    places = 1 if quantity == INPUT_GRADIENT else math.prod(record.space)
    if quantity == INPUT_GRADIENT or record.cell is None or record.units is None:
        if channels % (directions * places):
            sharing = f"{directions} directions" if places == 1 else f"{directions} × {record.space} places"
            raise ValueError(f"{argument}: {channels} channels can't be shared by {sharing} equally.")
        return
    inside = quantity.startswith((GATE, CELL_STATE))
    width = places * (record.units if inside or record.projection is None else record.projection)
    if channels != directions * width:
        hint = (
            ' Is the layer bidirectional? Then pass directions=("forward", "backward").'
            if channels == 2 * width
            else ""
        )
        factors = [f"{directions} direction{'s' * (directions > 1)}", f"{width // places} units"]
        factors += [f"space {record.space}"] if record.space else []
        raise ValueError(
            f"{argument}: expected {directions * width} channels ({' × '.join(factors)}), got shape "
            f"{array.shape}.{hint}"
        )


def _check_shared_axes(sequences: Mapping[str, FloatArray], name: str) -> None:
    samples = {quantity: array.shape[0] for quantity, array in sequences.items()}
    recorded = {count for quantity, count in samples.items() if not is_derived(quantity)}
    # What is computed afterwards is of the samples that are kept.
    if len(recorded) > 1 or (recorded and max(samples.values()) > max(recorded)):
        raise ValueError(
            f"sequences of layer {name!r}: expected as many samples in each (fewer only of what is computed: gradients "
            f"through time, cell states, gates and reach), got {samples}."
        )
    timesteps = {quantity: array.shape[1] for quantity, array in sequences.items() if array.shape[1] != 1}
    if len(set(timesteps.values())) > 1:
        raise ValueError(f"sequences of layer {name!r}: expected as many timesteps in each (or one), got {timesteps}.")


def _checked_matrices(
    by_direction: Mapping[str, Mapping[str, Any]], quantity: str, record: LayerRecord
) -> dict[str, dict[str, FloatArray]]:
    if not isinstance(by_direction, Mapping) or not all(isinstance(m, Mapping) for m in by_direction.values()):
        raise TypeError(
            f'{quantity}: expected direction → {{"kernel": array, …}} → array, got {type(by_direction).__name__}.'
        )
    unknown = set(by_direction) - set(record.directions)
    if unknown:
        raise ValueError(
            f"{quantity} of layer {record.name!r}: directions are {record.directions}, got {sorted(unknown)}."
        )
    return {
        direction: {
            checked_name(matrix, f"{quantity}: a matrix"): _checked_matrix(
                values, matrix, f"{quantity}[{direction!r}][{matrix!r}] of layer {record.name!r}", record
            )
            for matrix, values in matrices.items()
        }
        for direction, matrices in by_direction.items()
        if matrices
    }


def _checked_matrix(values: object, matrix: str, argument: str, record: LayerRecord) -> FloatArray:
    array = float_array(values, argument)
    if not 1 <= array.ndim <= _HIGHEST_WEIGHT_RANK:
        raise ValueError(f"{argument}: expected rank 1 to {_HIGHEST_WEIGHT_RANK}, got shape {array.shape}.")
    if record.cell is None or record.units is None:
        return array
    if matrix in {KERNEL, RECURRENT_KERNEL, BIAS}:
        blocks = cells.block_count(record.gates)
        if array.shape[-1] != blocks * record.units:
            raise ValueError(
                f"{argument}: expected a last axis of {blocks * record.units} ({blocks} gates × {record.units} units), "
                f"got shape {array.shape}. Weights are in Keras's orientation: transpose PyTorch's."
            )
    if matrix == RECURRENT_KERNEL:
        width = record.projection or record.units
        if array.shape[-2:-1] != (width,):
            raise ValueError(f"{argument}: expected ({width}, {blocks * record.units}), got shape {array.shape}.")
    return array


def _check_gradients_fit(record: LayerRecord) -> None:
    for direction, gradients in record.weight_gradients.items():
        for matrix, gradient in gradients.items():
            weight = record.weights.get(direction, {}).get(matrix)
            if weight is not None and weight.shape != gradient.shape:
                raise ValueError(
                    f"weight_gradients[{direction!r}][{matrix!r}] of layer {record.name!r}: expected the shape of its "
                    f"weight, {weight.shape}, got {gradient.shape}."
                )
