"""What a tap kept of one call of a recurrent layer, as the Recurrence of its record; the same for every framework."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT
from tb_rnn_plugin.recurrence.half import CannotDerive, Half, Traits
from tb_rnn_plugin.recurrence.layer import Recurrence

Array: TypeAlias = npt.NDArray[Any]

INPUT = "input"
MASK = "mask"
LENGTHS = "lengths"  # where a layer runs on through the padding
INITIAL_STATE = "initial_state/"  # + the state's index, the forward ones first
STATE_GRADIENT = "state_gradient/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Derivation:
    """What is to be computed of recurrent layers.

    Attributes:
        quantities: Some of `recurrence.layer.QUANTITIES`.
        samples: Of how many samples; None: of all.
        training: Whether the model runs in training mode, with its dropout.
    """

    quantities: frozenset[str]
    samples: int | None = None
    training: bool = True


def recurrence_of(
    traits: Mapping[str, Traits],
    *,
    sequences: Mapping[str, Array],
    inputs: Mapping[str, Array],
    weights: Mapping[str, Mapping[str, Array]],
    derivation: Derivation,
) -> Recurrence:
    """What can be computed of one call.

    Args:
        traits: Direction to how its cell was made.
        sequences: "activation" and "output_gradient" as they are recorded; the second where there is one.
        inputs: "input", "mask", "lengths", "initial_state/0", …, "state_gradient/0", …: samples first, in input time.
        weights: Direction to matrix name to what the call computed with.
        derivation: What is to be computed.

    Raises:
        CannotDerive: If something is missing.
    """
    for name, there in ((INPUT, inputs), (ACTIVATION, sequences)):
        if name not in there:
            raise CannotDerive(f"its {name} isn't known")
    if any(direction not in weights for direction in traits):
        raise CannotDerive("its weights aren't known")
    kept = slice(derivation.samples)
    x = _copied(inputs[INPUT][kept])
    output = sequences[ACTIVATION][kept]
    gradient = sequences[OUTPUT_GRADIENT][kept] if OUTPUT_GRADIENT in sequences else None
    if x.ndim != output.ndim or len(x) != len(output) or output.shape[1] not in {1, x.shape[1]}:
        raise CannotDerive(f"its input {x.shape} and its activation {output.shape} don't belong together")
    mask = inputs.get(MASK)
    if mask is not None and mask.shape[:2] != inputs[INPUT].shape[:2]:
        raise CannotDerive(f"its mask {mask.shape} and its input {inputs[INPUT].shape} don't belong together")
    lengths = np.array(inputs[LENGTHS][kept], int) if LENGTHS in inputs else None
    if lengths is not None and len(lengths) != len(x):
        raise CannotDerive(f"{len(lengths)} lengths of {len(x)} sequences were given")
    if lengths is not None and (lengths.min() < 0 or lengths.max() > x.shape[1]):
        raise CannotDerive(f"its sequences can't have {lengths.min()} to {lengths.max()} of {x.shape[1]} timesteps")
    halves = {}
    for index, (direction, of_direction) in enumerate(traits.items()):
        width = output.shape[-1] // len(traits)
        channels = slice(index * width, (index + 1) * width)
        halves[direction] = Half(
            traits=of_direction,
            weights=weights[direction],
            inputs=x,
            output=output[:, :, channels],
            mask=None if mask is None else np.array(mask[kept], bool),
            initial=_of_half(inputs, INITIAL_STATE, kept, index, len(traits)),
            output_gradient=None if gradient is None else gradient[:, :, channels],
            state_gradients=_of_half(inputs, STATE_GRADIENT, kept, index, len(traits)),
            lengths=lengths,
        )
    return Recurrence(halves=halves, quantities=derivation.quantities)


def _of_half(inputs: Mapping[str, Array], prefix: str, kept: slice, half: int, halves: int) -> Sequence[Array]:
    """The states, or their gradients, of one direction."""
    states = [array for name, array in inputs.items() if name.startswith(prefix)]
    count = len(states) // halves
    return [_copied(state[kept]) for state in states[half * count :][:count]]


def _copied(array: Array) -> Array:
    """A copy that keeps nothing else in memory, and that nobody changes."""
    return np.array(array, np.float32)
