"""A cell of a recurrent Keras layer, or the same cell in both of its directions: how its output is laid out."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import cudnn_weights
from tb_rnn_plugin.capture.keras.recorded_layer import (
    DIFFERENTIATED,
    INITIAL_STATE,
    INPUT,
    MASK,
    SEQUENCE_RANK,
    STATE_GRADIENT,
    Array,
    Layer,
    Part,
    RecordedLayer,
    Tensor,
    Variable,
    named_variables,
)
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

_MATRICES = (record.KERNEL, record.RECURRENT_KERNEL, record.BIAS)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class RecurrentLayer(RecordedLayer):
    """One recurrent layer that can be recorded, or one of the cells stacked in it.

    Of stacked cells only the last one's output is the layer's, and only that one has sequences: what passes between
    the cells stays in the loop over time. A custom cell has no gates that are known; its weights go by their names.

    Attributes:
        tapped: The layer itself; or its halves, where it merges their outputs into something that can't be taken apart
            again; or the TimeDistributed around it.
        halves: Direction to the layer that runs in that direction; a layer that isn't bidirectional is its own half.
        holders: Direction to what holds the weights: a cell, or a layer that has none.
        has_output: Whether what is tapped is this cell's output.
        states: Which of the states of a half are this cell's; None where they are of no known cell, and not kept.
        frames: Around how many axes of TimeDistributed the output has: their entries count as samples.
        backwards: Whether it is a single direction that runs from the end, and is recorded in input time nevertheless.
        data_format: "channels_last" or "channels_first" for a ConvLSTM, whose units are filters.
    """

    halves: Mapping[str, Layer]
    holders: Mapping[str, Layer]
    has_output: bool = True
    states: slice | None = dataclasses.field(default_factory=lambda: slice(None))
    frames: int = 0
    backwards: bool = False
    data_format: str | None = None

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions it runs in."""
        return tuple(self.halves)

    @property
    def keeps_inputs(self) -> bool:
        """Whether its cell is known and runs from a state that is given."""
        stateful = any(getattr(half, "stateful", False) for half in self.halves.values())
        return self.cell is not None and self.states is not None and not (self.frames and stateful)

    @property
    def variables(self) -> dict[tuple[str, str], Variable]:
        """(direction, matrix name) to variable; empty while the layer isn't built."""
        found = {
            (direction, matrix): variable
            for direction, holder in self.holders.items()
            for matrix, variable in self._of_holder(holder).items()
        }
        return {key: variable for key, variable in found.items() if variable is not None}

    def _of_holder(self, holder: Layer) -> dict[str, Variable]:
        if self.cell is None:
            return named_variables(holder)
        return {matrix: getattr(holder, matrix, None) for matrix in _MATRICES}

    def matrices(self, arrays: Mapping[tuple[str, str], Array]) -> dict[str, dict[str, Array]]:
        """Direction to matrix name to array, in Keras's layout, of what the `variables` hold or of their gradients."""
        in_keras_layout = {
            (direction, matrix): cudnn_weights.in_keras_layout(array, matrix, self.cell)
            if self.cell is not None and cudnn_weights.cell(self.holders[direction]) is not None
            else array
            for (direction, matrix), array in arrays.items()
        }
        return super().matrices(in_keras_layout)

    def kept(self, tensors: Sequence[Tensor]) -> list[int]:
        """The output, and the last states where they are returned and of a known cell."""
        if not self.has_output:
            return []
        return [0] if self.states is None else list(range(len(tensors)))

    def sequences(self, parts: Sequence[Part]) -> dict[str, Array]:
        """Activation and output gradient (samples, timesteps, channels) of one call, both directions in input time."""
        if not self.has_output:
            return {}
        forward, *others = [self._of_part(part) for part in parts]
        if any(array.ndim != SEQUENCE_RANK for array in forward.values()):
            return {}  # a custom cell whose output at a timestep is no vector
        if self.backwards:
            return {name: array[:, ::-1] for name, array in forward.items()}
        if not others:
            return forward
        (backward,) = others
        return {name: np.concatenate([forward[name], backward[name][:, ::-1]], axis=-1) for name in forward}

    def space(self, parts: Sequence[Part]) -> tuple[int, ...]:
        """The shape in which each filter lies, where units are filters."""
        if self.data_format is None or not self.has_output:
            return ()
        shape = self._directions_of(self._steps(parts[0][ACTIVATION]))[0].shape
        return shape[2:-1] if self.data_format == "channels_last" else shape[3:]

    def inputs(self, parts: Sequence[Part]) -> dict[str, Array]:
        """What a call was given: "input", "mask" and "initial_state/0", … where there are any; no states mean zeros.

        "state_gradient/0", … is the gradient of the last states, where the layer returns them. The states of a
        bidirectional layer are the forward ones, then the backward ones. Of stacked cells only the first one has an
        input, as the others' are the outputs of the cells below them. "differentiated" is passed on.
        """
        is_first = self.states is not None and not self.states.start
        names = (INPUT, MASK) if is_first else (MASK,)
        inputs = {name: self._samples_first(self._without_frames(parts[0][name])) for name in names if name in parts[0]}
        for prefix in (INITIAL_STATE, STATE_GRADIENT):
            states = [state for part in parts for of_half in self._states(part, prefix) for state in of_half]
            inputs.update({f"{prefix}{index}": state for index, state in enumerate(states)})
        differentiated = [part[DIFFERENTIATED] for part in parts if DIFFERENTIATED in part]
        return inputs | ({DIFFERENTIATED: differentiated[0]} if differentiated else {})

    def first_samples(self, name: str, tensor: Tensor, samples: int | None) -> Tensor:
        """The first samples of what a call was given under a name, which may be along the second axis."""
        return tensor[:, :samples] if self._time_major and name in {INPUT, MASK} else tensor[:samples]

    def _of_part(self, part: Part) -> dict[str, Array]:
        """The sequences of one tap; a backward half runs still from the end to the beginning."""
        arrays = {name: self._steps(part[name]) for name in (ACTIVATION, OUTPUT_GRADIENT)}
        by_half = self._states(part, STATE_GRADIENT)
        if any(by_half):
            # h_T is y_T: the gradient of the last hidden state, where it is returned, belongs to the output of that
            # step. Without it an encoder of which only the states are used would seem to get no gradient at all.
            gradient = arrays[OUTPUT_GRADIENT] = arrays[OUTPUT_GRADIENT].copy()
            # Of halves that are merged already, the backward one ends at the first step of input time.
            for half, states, last in zip(self._directions_of(gradient), by_half, (-1, 0), strict=False):
                half[:, last] += states[0]
        return {name: self._with_channels(array) for name, array in arrays.items()}

    @property
    def _merged(self) -> int:
        """How many directions lie side by side in the output of one tap."""
        return len(self.halves) // len(self.tapped)

    def _directions_of(self, array: Array) -> list[Array]:
        """Views of the directions in one output: Keras puts them side by side along the last axis, whatever it is."""
        return np.split(array, self._merged, axis=-1)

    def _states(self, part: Part, prefix: str) -> list[list[Array]]:
        """This cell's states of each half in one part."""
        states = [array for name, array in part.items() if name.startswith(prefix)]
        count = len(states) // self._merged
        return [states[half * count :][:count][self.states or slice(0)] for half in range(self._merged)]

    def _without_frames(self, array: Array) -> Array:
        return array.reshape(-1, *array.shape[1 + self.frames :]) if self.frames else array

    def _steps(self, array: Array) -> Array:
        """(samples, timesteps, …): with one timestep where only the last output is returned."""
        array = self._without_frames(array)
        returns_sequences = next(iter(self.halves.values())).return_sequences
        return self._samples_first(array) if returns_sequences else array[:, None]

    def _samples_first(self, array: Array) -> Array:
        """(samples, timesteps, …) of what lies in the layer's own order: tf_keras has layers with their time first."""
        return array.swapaxes(0, 1) if self._time_major else array

    @property
    def _time_major(self) -> bool:
        return bool(getattr(next(iter(self.halves.values())), "time_major", False))

    def _with_channels(self, array: Array) -> Array:
        """(samples, timesteps, channels): filter by filter, each row by row, where units are filters."""
        if self.data_format is None:
            return array
        halves = self._directions_of(array)
        if self.data_format == "channels_last":
            halves = [np.moveaxis(half, -1, 2) for half in halves]
        return np.concatenate([half.reshape(*half.shape[:2], -1) for half in halves], axis=-1)
