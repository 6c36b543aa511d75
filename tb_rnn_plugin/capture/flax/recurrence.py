"""How the cells of Flax's recurrent layers are made, as far as something can be computed from what taps recorded.

Flax's own equations are in flax/nnx/nn/recurrent.py: a GRU's reset gate comes after the matrix product, its update gate
keeps, and it has one bias, that of the input; an LSTM's is that of the state.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tb_rnn_plugin.capture.flax.cell_layouts import CellLayout, layout_of
from tb_rnn_plugin.capture.flax.layers import Array, Module
from tb_rnn_plugin.recurrence.cell import RECURRENT_KERNEL
from tb_rnn_plugin.recurrence.half import CannotDerive, Traits

#: Functions and their names in `recurrence.activations`. Not jax.nn.gelu and jax.nn.leaky_relu: by themselves they are
#: other functions, an approximation by tanh and one with a slope of 0.01.
FUNCTIONS: tuple[tuple[Any, str], ...] = (
    (jnp.tanh, "tanh"),
    (jax.lax.tanh, "tanh"),
    (jax.nn.sigmoid, "sigmoid"),
    (jax.lax.logistic, "sigmoid"),
    (jax.nn.identity, "linear"),
    (jax.nn.hard_sigmoid, "hard_sigmoid"),
    (jax.nn.hard_tanh, "hard_tanh"),
    (jax.nn.relu, "relu"),
    (jax.nn.relu6, "relu6"),
    (jax.nn.elu, "elu"),
    (jax.nn.celu, "elu"),  # the same where neither is given another alpha
    (jax.nn.selu, "selu"),
    (jax.nn.softplus, "softplus"),
    (jax.nn.soft_sign, "softsign"),
    (jax.nn.silu, "silu"),
    (jax.nn.hard_silu, "hard_silu"),
    (jax.nn.mish, "mish"),
    (jnp.exp, "exponential"),
)


def traits(rnn: Module, *, reverse: bool, starts: bool) -> Traits:
    """How the cell of an nnx.RNN was made, and which way it runs.

    Args:
        rnn: The nnx.RNN, tapped or not.
        reverse: Whether it runs from the last timestep to the first.
        starts: Whether it is given the states that it starts from.

    Raises:
        CannotDerive: If what it computes isn't known.
    """
    cell = rnn.cell
    layout = layout_of(cell)
    if layout is None:
        raise CannotDerive(f"what a {type(cell).__name__} computes isn't known")
    if inspect.unwrap(type(rnn).__call__) is not nnx.RNN.__call__:
        raise CannotDerive(f"what a {type(rnn).__name__} computes isn't known, since it has a __call__ of its own")
    if not starts and not _starts_from_zeros(cell, layout):
        raise CannotDerive(
            "the states that its cell makes to start from aren't recorded. Pass them to the layer as initial_carry="
        )
    return Traits(
        cell=layout.cell,
        gates=layout.gates,
        activation=_name(cell, "activation_fn"),
        recurrent_activation="sigmoid" if layout.cell == "rnn" else _name(cell, "gate_fn"),
        input_reversed=reverse,
        output_reversed=reverse,  # records are in input time
        half=any(_is_half(dense) for dense in vars(cell).values() if isinstance(dense, nnx.Linear)),
    )


def _starts_from_zeros(cell: Module, layout: CellLayout) -> bool:
    is_own = type(cell).initialize_carry is layout.cell_class.initialize_carry
    return is_own and (cell.carry_init is None or cell.carry_init is nnx.initializers.zeros_init())


def _is_half(dense: Module) -> bool:
    return dense.dtype is not None and bool(jnp.dtype(dense.dtype).itemsize < np.dtype(np.float32).itemsize)


def _name(cell: Module, attribute: str) -> str:
    """The name under which we know one of JAX's functions."""
    function = getattr(cell, attribute)
    name = next((name for known, name in FUNCTIONS if known is function), None)
    if name is None:
        said = getattr(function, "__name__", None) or type(function).__name__
        raise CannotDerive(f"the derivative of its {attribute}, {said}, isn't known")
    return name


def is_residual(rnn: Module) -> bool:
    """Whether the state before is added to what goes into the function of an nnx.SimpleCell."""
    return bool(getattr(rnn.cell, "residual", False))


def with_residual(matrices: Mapping[str, Array]) -> dict[str, Array]:
    """The weights of an nnx.SimpleCell without that: φ(x W + b + h U + h) = φ(x W + b + h (U + 1))."""
    recurrent = matrices[RECURRENT_KERNEL]
    return {**matrices, RECURRENT_KERNEL: recurrent + np.eye(len(recurrent), dtype=recurrent.dtype)}
