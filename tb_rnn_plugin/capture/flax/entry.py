"""Flax nnx models: taps in the user's own backward pass, and captures of one batch."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.flax import model as flax_model
from tb_rnn_plugin.capture.flax.model import describe
from tb_rnn_plugin.capture.flax.sink import Probe
from tb_rnn_plugin.capture.flax.taps import FlaxTaps, gradient_blocks, tap_on, taps_of, untap_all, wait
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.recurrence.layer import CAPTURED_QUANTITIES

__all__ = ["attach", "capture", "describe"]

Module: TypeAlias = Any
Optimizer: TypeAlias = Any
Tracer: TypeAlias = Any
Loss: TypeAlias = Callable[[Any, Any], Any]


def attach(
    model: Module,
    *,
    every: int,
    samples: int | None,
    layers: object = None,
    optimizer: Optimizer = None,
    quantities: Sequence[str] | None = None,
    bptt: bool = True,
) -> taps.Taps:
    """Taps in the user's own backward pass: plain jax.grad or nnx.value_and_grad, under nnx.jit or not.

    Write after `optimizer.update`, so that the weight gradients are there; the weights written are those that the pass
    used, before the update. With gradient accumulation, the sequences are those of the last pass before the write.
    Unbatched sequences of one shape, of which each has a pass of its own or which a scan runs over, are the samples of
    one batch, in their order; only where one jitted function is called for each of them inside of another is their
    order that in which XLA runs it.

    Where a model is split by hand (nnx.split, nnx.cached_partial), attach before that: the taps are in what nnx.split
    returns. As such a loop uses one description for all steps, the taps then copy in each of them, and what isn't to be
    written is thrown away.

    Forward-mode differentiation (jax.jvp, jax.jacfwd) of a recorded layer is an error of JAX: use `capture` there.

    Args:
        model: An nnx.Module.
        every: How often is written, in steps.
        samples: Of how many samples the arrays are kept; None for all.
        layers: Which layers; see `flax_model.find`.
        optimizer: The nnx.Optimizer whose `update` gets the gradients, before its own clipping.
        quantities: What is recorded; left out: everything.
        bptt: Whether gradients through time, gates and cell states are computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, or not the one that is asked for.
    """
    if optimizer is not None and not isinstance(optimizer, nnx.Optimizer):
        raise TypeError(
            f"optimizer: expected a flax.nnx.Optimizer, got {type(optimizer).__name__}. An optax transformation can be "
            "wrapped: nnx.Optimizer(model, tx, wrt=nnx.Param)."
        )
    picked = flax_model.find(model, layers)
    if optimizer is None and record.WEIGHT_GRADIENTS in (quantities or taps.QUANTITIES):
        warnings.warn(
            "rnn_summary: weight gradients are left out, since no optimizer is known. Pass the nnx.Optimizer of your "
            "loop as optimizer=.",
            stacklevel=3,
        )
    return FlaxTaps(model, picked, every=every, samples=samples, optimizer=optimizer, quantities=quantities, bptt=bptt)


def capture(
    model: Module,
    x: Any,  # whatever the model takes
    y: Any,  # whatever the loss takes
    *,
    loss: Loss | None = None,
    layers: object = None,
    sample_weight: Any = None,  # any array
    training: bool = False,
    bptt: bool = True,
) -> list[record.LayerRecord]:
    """Records of one batch, in a pass of its own on a copy: the model stays as it was, its random states too.

    Args:
        model: An nnx.Module.
        x: The batch: an array; a tuple of the model's arguments; or a dict of its keyword arguments.
        y: Its targets.
        loss: A callable (prediction, target) → loss, of which the mean is taken.
        layers: Which layers; see `flax_model.find`.
        sample_weight: Weights of the samples: the loss, which then has to have a first axis of samples, is multiplied
            by them before the mean is taken.
        training: Whether the model is in training mode (`model.train()`) or not (`model.eval()`).
        bptt: Whether gradients through time, gates and cell states are to be computed.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model has no recurrent layer, not the one that is asked for, or there is no loss.
    """
    picked = flax_model.find(model, layers)
    if not isinstance(training, bool):
        raise TypeError(f"training: expected a bool, got {type(training).__name__}.")
    if loss is None:
        raise ValueError("loss: a Flax model has none of its own; pass loss=, a callable (prediction, target) → loss.")
    if not callable(loss):
        raise TypeError(f"loss: expected a callable (prediction, target) → loss, got {type(loss).__name__}.")
    copy = nnx.clone(model)
    untap_all(copy)
    copy.train() if training else copy.eval()
    probe = Probe(Derivation(quantities=CAPTURED_QUANTITIES if bptt else frozenset()))
    for tap, module in taps_of(copy, picked, probe):
        tap_on(module, tap)
    split: Any = nnx.split(copy, nnx.Param, ...)
    graphdef, parameters, rest = split

    def run(parameters: Tracer, zero: Tracer) -> Tracer:
        probe.begin(zero)
        prediction = _called(nnx.merge(graphdef, parameters, rest, copy=True), x)
        return _mean_loss(loss, prediction, y, sample_weight)

    differentiate: Any = jax.jit(jax.grad(run, argnums=(0, 1)))
    parameter_gradients, _ = differentiate(parameters, jnp.zeros(()))
    wait()
    probe.store_weight_gradients(gradient_blocks(copy, parameter_gradients, probe, {}))
    made, missing = probe.take(picked)
    if missing:
        warnings.warn(
            "rnn_summary leaves out layers that this batch does not run, or that the loss does not depend on: "
            f"{', '.join(missing)}.",
            stacklevel=3,
        )
    return made


def _called(model: Module, x: Any) -> Tracer:
    if isinstance(x, tuple):
        return model(*(jax.tree.map(jnp.asarray, part) for part in x))
    if isinstance(x, dict):
        return model(**{name: jax.tree.map(jnp.asarray, part) for name, part in x.items()})
    return model(jax.tree.map(jnp.asarray, x))


def _mean_loss(loss: Loss, prediction: Tracer, y: Any, sample_weight: Any) -> Tracer:
    value = jnp.asarray(loss(prediction, y))
    if sample_weight is not None:
        weight = jnp.asarray(sample_weight, value.dtype)
        if value.ndim < weight.ndim or value.shape[: weight.ndim] != weight.shape:
            raise ValueError(
                f"sample_weight: expected a loss for each sample, shape {weight.shape}, …, but loss= returns shape "
                f"{value.shape}."
            )
        value = value * weight.reshape(weight.shape + (1,) * (value.ndim - weight.ndim))
    return value.mean()
