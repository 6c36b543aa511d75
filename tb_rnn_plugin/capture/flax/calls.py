"""How a module is called: what of its input and output is recorded, and how the layout of that becomes input time."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from tb_rnn_plugin.capture.flax import recurrence
from tb_rnn_plugin.capture.flax.layers import Half, Module
from tb_rnn_plugin.recurrence.half import CannotDerive, Traits

Tracer: TypeAlias = Any

#: What of a module's output is tapped: the last two where they are returned.
OUTPUT, STATE, CELL_STATE = "output", "state", "cell_state"


@dataclasses.dataclass(frozen=True)
class Call:
    """How a module was called: what has to be known to bring its output into input time, and to compute it anew.

    Attributes:
        recurrent: Whether it is an nnx.RNN; all else is about these.
        time_major: Whether time is the first axis of what it takes and returns.
        turned_back: Whether it ran backwards and returned its output in input time.
        flipped: Whether the output, as the scan over time made it, has to be turned around.
        last_first: Whether the last state belongs to the first timestep of the input.
        traits: How its cell was made, and which way it ran; None where what it computes isn't known.
        unknown: Why there are no traits.
        residual: Whether the state is added to what goes into the cell's function.
    """

    recurrent: bool
    time_major: bool = False
    turned_back: bool = False
    flipped: bool = False
    last_first: bool = False
    traits: Traits | None = None
    unknown: str = ""
    residual: bool = False


class Kept(NamedTuple):
    """What is known of a call before its gradient comes; a tree of JAX's.

    Attributes:
        weights: Matrix name to the arrays that form it.
        lengths: Of the sequences, where they are given.
        inputs: Of an nnx.RNN, (timesteps, …, inputs) in input time, of the samples that something is computed of; None
            where nothing is.
        initial: Of the same samples, STATE and CELL_STATE to what it starts from, where that is given.
    """

    weights: Mapping[str, Sequence[Any]]
    lengths: Any = None
    inputs: Any = None
    initial: Mapping[str, Any] = {}  # nothing writes to it


class Arrived(NamedTuple):
    """What one call of one module left behind; a tree of JAX's.

    Attributes:
        output: Of an nnx.RNN as the scan over time made it: (timesteps, …, channels).
        gradient: Of the output.
        state_gradients: STATE and CELL_STATE to the gradient of the last one, where they are returned.
        kept: What else is known of the call.
    """

    output: Any
    gradient: Any
    state_gradients: Mapping[str, Any]
    kept: Kept

    @classmethod
    def of(cls, call: Call, output: Tracer, gradients: Mapping[str, Tracer], kept: Kept) -> "Arrived":
        """From the output, and the gradients of all that is tapped, as the module returns them."""
        states = {name: gradient for name, gradient in gradients.items() if name != OUTPUT}
        return cls(_as_scanned(call, output), _as_scanned(call, gradients[OUTPUT]), states, kept)

    def of_all(self, call: Call, size: int, mapped: "Arrived") -> "Arrived":
        """What a call left behind under jax.vmap, as that of one call of all samples.

        Args:
            call: The call.
            size: How many samples there are.
            mapped: Which of the arrays are those of all samples, along their first axis.
        """

        def along(axis: int) -> Callable[[Tracer, bool], Tracer]:
            def whole(value: Tracer, is_mapped: bool) -> Tracer:
                value = value if is_mapped else jnp.broadcast_to(value, (size, *value.shape))
                return jnp.moveaxis(value, 0, axis)

            return whole

        whole: Any = functools.partial(jax.tree.map, along(0))
        sequence: Any = functools.partial(jax.tree.map, along(1)) if call.recurrent else whole
        kept, of_kept = self.kept, mapped.kept
        return Arrived(
            sequence(self.output, mapped.output),
            sequence(self.gradient, mapped.gradient),
            whole(self.state_gradients, mapped.state_gradients),
            Kept(
                jax.tree.map(lambda value, is_mapped: value[0] if is_mapped else value, kept.weights, of_kept.weights),
                whole(kept.lengths, of_kept.lengths),
                sequence(kept.inputs, of_kept.inputs),
                whole(kept.initial, of_kept.initial),
            ),
        )


def _as_scanned(call: Call, values: Tracer) -> Tracer:
    """The array as the scan over time made it, time first: XLA then undoes what Flax did to it, at no cost.

    Asking for it as Flax returns it would make XLA lay it out so in memory; what sums over it, such as a BatchNorm,
    would then add in another order, and training would differ in the last bit.
    """
    if not call.recurrent:
        return values
    values = _time_first(call, values)
    return jnp.flip(values, 0) if call.turned_back else values


def _time_first(call: Call, values: Tracer) -> Tracer:
    return jnp.moveaxis(values, 0 if call.time_major else values.ndim - 2, 0)


def kept(
    call: Call, options: Mapping[str, Any], weights: Mapping[str, Sequence[Tracer]], kept_samples: slice | None
) -> Kept:
    """What is known of a call.

    Args:
        call: The call.
        options: What the module was called with, by name.
        weights: Matrix name to the arrays that form it.
        kept_samples: Of which samples what it was given is kept; None: of none.
    """
    lengths = options.get("seq_lengths") if call.recurrent else None
    if kept_samples is None or call.traits is None:
        return Kept(weights, lengths)
    inputs = _time_first(call, jnp.asarray(options["inputs"]))
    carry = options.get("initial_carry")
    if carry is None:
        initial = {}
    elif call.traits.cell == "lstm":
        initial = {STATE: carry[1], CELL_STATE: carry[0]}
    else:
        initial = {STATE: carry}
    of_samples = {name: state[kept_samples] if state.ndim > 1 else state for name, state in initial.items()}
    return Kept(
        weights,
        lengths,
        jax.lax.stop_gradient(inputs[:, kept_samples] if inputs.ndim > 2 else inputs),
        jax.lax.stop_gradient(of_samples),
    )


def opened(
    half: Half, module: Module, output: Any, options: Mapping[str, Any]
) -> tuple[Call, Mapping[str, Tracer], Callable[[Mapping[str, Tracer]], Any]]:
    """How the module was called, what of its output is tapped, and how the output is put together again.

    Raises:
        ValueError: If the output can't be recorded.
    """
    if not half.recurrent:
        first = output[0] if type(output) is tuple and output else output
        if getattr(first, "ndim", None) not in {2, 3}:
            raise ValueError(
                "its output is not (samples, timesteps, channels) but "
                f"{getattr(first, 'shape', type(first).__name__)}; record arrays of your own with LayerRecord"
            )
        call = Call(recurrent=False)
        if first is output:
            return call, {OUTPUT: first}, lambda values: values[OUTPUT]
        return call, {OUTPUT: first}, lambda values: (values[OUTPUT], *output[1:])
    call = _call(module, options)
    carry, sequence = output if _option("return_carry", module, options) else (None, output)
    if getattr(sequence, "ndim", 0) < 2:
        raise ValueError(f"its output is not (…, timesteps, channels) but {getattr(sequence, 'shape', sequence)}")
    if half.cell is None and module.cell.num_feature_axes != 1:
        raise ValueError(f"the output of a {type(module.cell).__name__} has several axes of channels")
    if carry is None:
        return call, {OUTPUT: sequence}, lambda values: values[OUTPUT]
    if half.cell is None:
        return call, {OUTPUT: sequence}, lambda values: (carry, values[OUTPUT])
    if half.cell == "lstm":
        cell_state, state = carry
        return (
            call,
            {OUTPUT: sequence, STATE: state, CELL_STATE: cell_state},
            lambda values: ((values[CELL_STATE], values[STATE]), values[OUTPUT]),
        )
    return call, {OUTPUT: sequence, STATE: carry}, lambda values: (values[STATE], values[OUTPUT])


def _call(module: Module, options: Mapping[str, Any]) -> Call:
    """Of an nnx.RNN."""
    reverse, keep_order = (_option(name, module, options) for name in ("reverse", "keep_order"))
    has_lengths = options.get("seq_lengths") is not None
    call = Call(
        recurrent=True,
        time_major=_option("time_major", module, options),
        turned_back=reverse and keep_order and not has_lengths,
        flipped=reverse and not (keep_order and has_lengths),
        last_first=reverse,
    )
    try:
        starts = options.get("initial_carry") is not None
        traits = recurrence.traits(module, reverse=reverse, starts=starts)
    except CannotDerive as reason:
        return dataclasses.replace(call, unknown=str(reason))
    return dataclasses.replace(call, traits=traits, residual=recurrence.is_residual(module))


def _option(name: str, module: Module, options: Mapping[str, Any]) -> bool:
    """An option of an nnx.RNN: as it is called, or else as it was made."""
    given = options.get(name)
    return bool(getattr(module, name) if given is None else given)
