"""Flax's recurrent cells as loops over time in plain jax.numpy, written out for jax.grad to go through."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

Tracer: TypeAlias = Any


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Of one direction.

    Attributes:
        gates: Gate to (kernel, recurrent kernel, bias); of a plain cell one without a name.
        activation: φ.
        gate: σ.
        residual: Whether the state is added to what goes into φ; of a plain cell.
    """

    gates: Mapping[str, Sequence[Any]]
    activation: Any = jnp.tanh
    gate: Any = jax.nn.sigmoid
    residual: bool = False


def step(of: Parameters, h: Tracer, c: Tracer, x: Tracer) -> tuple[dict[str, Tracer], Tracer, Any]:
    """One timestep: the values of the gates, c_t, and what makes h_t of c_t."""

    def sums(gate: str) -> Tracer:
        kernel, recurrent, bias = of.gates[gate]
        return x @ kernel + h @ recurrent + bias

    if "forget" in of.gates:
        values = {gate: (of.activation if gate == "cell" else of.gate)(sums(gate)) for gate in of.gates}
        c = values["forget"] * c + values["input"] * values["cell"]
        return values, c, lambda c: values["output"] * of.activation(c)
    if "update" in of.gates:
        kernel, recurrent, bias = of.gates["candidate"]
        values = {gate: of.gate(sums(gate)) for gate in ("update", "reset")}
        values["candidate"] = of.activation(x @ kernel + bias + values["reset"] * (h @ recurrent))
        return values, c, lambda _: (1 - values["update"]) * values["candidate"] + values["update"] * h
    return {}, c, lambda _: of.activation(sums("") + (h if of.residual else 0))


def unrolled(
    of: Parameters, x: Tracer, order: Any, initial: Sequence[Tracer], added: Mapping[str, Tracer]
) -> dict[str, Tracer]:
    """What one direction goes through, (samples, timesteps, channels) in input time.

    Args:
        of: Its parameters.
        x: (samples, timesteps, inputs).
        order: (samples, timesteps), at which timestep each sample is at each step.
        initial: h and c before the first step.
        added: "hidden" and "cell_state", zeros that are added to h_t and c_t: their gradients are dL/dh_t and dL/dc_t.
    """
    samples = np.arange(len(x))
    h, c = initial
    made: dict[str, list[Tracer]] = {}
    for at in order.T:
        values, c, output = step(of, h, c, x[samples, at])
        c = c + added["cell_state"][samples, at]
        h = output(c) + added["hidden"][samples, at]
        for name, value in {"activation": h, "cell_state": c, **{f"gate/{k}": v for k, v in values.items()}}.items():
            made.setdefault(name, []).append(value)
    back = np.argsort(order, axis=1)
    return {name: jnp.stack(steps, axis=1)[samples[:, None], back] for name, steps in made.items()}
