"""The GRU, with its reset gate after or before the matrix product, and its adjoint.

    a = x_t W + b, whose blocks are a_u, a_r, a_n in the layer's order; in the same way U and the recurrent bias b'
    u = σ(a_u + h_{t-1} U_u + b'_u)         r = σ(a_r + h_{t-1} U_r + b'_r)           ("update", "reset")
    n = φ(a_n + s)                                                                      ("candidate")
        reset after (PyTorch, Flax, cuDNN, Keras's default):   s = r ⊙ q with q = h_{t-1} U_n + b'_n
        reset before (Cho et al. 2014):                        s = (r ⊙ h_{t-1}) U_n
    h_t = u ⊙ h_{t-1} + (1 − u) ⊙ n

With δv for dL/dv:

    δz_n = δh_t ⊙ (1 − u) ⊙ φ'(z_n)         δz_u = δh_t ⊙ (h_{t-1} − n) ⊙ σ'(z_u)
    reset after:   δz_r = δz_n ⊙ q ⊙ σ'(z_r)
                   δh_{t-1} = direct_{t-1} + δh_t ⊙ u + [δz_u, δz_r, δz_n ⊙ r] Uᵀ
    reset before:  p = δz_n U_nᵀ            δz_r = p ⊙ h_{t-1} ⊙ σ'(z_r)
                   δh_{t-1} = direct_{t-1} + δh_t ⊙ u + p ⊙ r + [δz_u, δz_r] [U_u, U_r]ᵀ
    δx_t = [δz_u, δz_r, δz_n] Wᵀ

In the first case all is δh_t times what is known before the way back begins.

Cho et al. 2014 (arXiv 1406.1078) call z what is 1 − u here; u is what Keras, PyTorch and Flax compute: it keeps.
"""

import math
from collections.abc import Sequence

import numpy as np

from tb_rnn_plugin.recurrence.activations import Activation, Array
from tb_rnn_plugin.recurrence.cell import (
    Cell,
    Gradients,
    StepProduct,
    Trajectory,
    Weights,
    affine,
    before,
    held,
    left_out,
    product,
    steps,
)

UPDATE, RESET, CANDIDATE = "update", "reset", "candidate"
_ORDER = (UPDATE, RESET, CANDIDATE)


class GRUCell(Cell):
    """GRU of Keras, PyTorch and Flax."""

    def __init__(
        self,
        weights: Weights,
        gates: Sequence[str],
        activation: Activation,
        recurrent_activation: Activation,
        *,
        reset_after: bool,
    ) -> None:
        """Takes the equations.

        Args:
            weights: The weights.
            gates: The order of their blocks.
            activation: φ.
            recurrent_activation: σ.
            reset_after: Whether the reset gate comes after the product of h_{t-1} and U.
        """
        super().__init__(_in_order(weights, gates))
        self.units = weights.kernel.shape[-1] // len(_ORDER)
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.reset_after = reset_after
        self.before_product = self.weights.recurrent_kernel[:, : 2 * self.units]
        self.of_candidate = self.weights.recurrent_kernel[:, 2 * self.units :]

    def run(
        self, x: Array, initial: Sequence[Array], *, mask: Array | None = None, hidden: Array | None = None
    ) -> "GRUTrajectory":
        """As `Cell.run`."""
        (first,) = initial
        a = affine(x, self.weights.kernel, self.weights.input_bias)
        if hidden is not None:
            return GRUTrajectory(self, a, self.of_state(before(hidden, first)), hidden, first, mask)
        hidden = np.empty((len(x), *first.shape), x.dtype)
        now = first
        of_state = np.empty((len(x), *self.of_state(first).shape), x.dtype)
        for t, of_step in enumerate(steps(mask, len(x))):
            of_state[t] = self.of_state(now)
            _, values = self.evaluate(a[t], of_state[t], now)
            new = values[UPDATE] * now + (1 - values[UPDATE]) * values[CANDIDATE]
            now = hidden[t] = held(new, now, of_step)
        return GRUTrajectory(self, a, of_state, hidden, first, mask)

    def of_state(self, hidden: Array) -> Array:
        """What h_{t-1} gives to all gates; where the reset gate comes before, to the update and the reset gate."""
        if self.reset_after:
            return affine(hidden, self.weights.recurrent_kernel, self.weights.recurrent_bias)
        return product(hidden, self.before_product)

    def block(self, values: Array, gate: str) -> Array:
        """A view of a gate's block."""
        start = _ORDER.index(gate) * self.units
        return values[..., start : start + self.units]

    def evaluate(self, a: Array, of_state: Array, previous: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """What goes into the function of each gate, and the gate's value."""
        z = {gate: self.block(a, gate) + self.block(of_state, gate) for gate in (UPDATE, RESET)}
        values = {gate: self.recurrent_activation.function(of_gate) for gate, of_gate in z.items()}
        if self.reset_after:
            s = values[RESET] * self.block(of_state, CANDIDATE)
        else:
            s = product(values[RESET] * previous, self.of_candidate)
        z[CANDIDATE] = self.block(a, CANDIDATE) + s
        values[CANDIDATE] = self.activation.function(z[CANDIDATE])
        return z, values


def _in_order(weights: Weights, gates: Sequence[str]) -> Weights:
    """The weights with their blocks in the order of this module."""
    if tuple(gates) == _ORDER:
        return weights

    def ordered(matrix: Array) -> Array:
        blocks = dict(zip(gates, np.split(matrix, len(gates), axis=-1), strict=True))
        return np.concatenate([blocks[gate] for gate in _ORDER], axis=-1)

    return Weights(
        kernel=ordered(weights.kernel),
        recurrent_kernel=ordered(weights.recurrent_kernel),
        input_bias=None if weights.input_bias is None else ordered(weights.input_bias),
        recurrent_bias=None if weights.recurrent_bias is None else ordered(weights.recurrent_bias),
    )


class GRUTrajectory(Trajectory):
    """What a GRU went through."""

    def __init__(
        self, cell: GRUCell, a: Array, of_state: Array, hidden: Array, first: Array, mask: Array | None
    ) -> None:
        self._cell = cell
        self._of_state = of_state
        self._mask = mask
        self._previous = before(hidden, first)
        self.hidden = hidden
        self._z, self.gates = cell.evaluate(a, of_state, self._previous)
        update = self.gates[UPDATE]
        self.recomputed = update * self._previous + (1 - update) * self.gates[CANDIDATE]

    def gradients(self, direct: Array, to_cell_state: Array | None = None) -> Gradients:  # noqa: ARG002
        """As `Trajectory.gradients`."""
        total = np.array(direct)
        if self._cell.reset_after:
            self._back_reset_after(total)
        else:
            self._back_reset_before(total)
        return Gradients(total)

    def _back_reset_after(self, total: Array) -> None:
        keep, of_update, of_candidate = self._factors()
        reset = self._cell.recurrent_activation.derivative(self._z[RESET], self.gates[RESET])
        blocks = np.stack(
            [
                of_update,
                of_candidate * self._cell.block(self._of_state, CANDIDATE) * reset,
                of_candidate * self.gates[RESET],
            ],
            axis=2,
        )
        left_out(self._mask, {0.0: [blocks]})  # a reset gate of infinity, say, times 0
        back = StepProduct(self._cell.weights.recurrent_kernel.T, math.prod(total.shape[1:-1]))
        of_gates = np.empty((*total.shape[1:-1], *blocks.shape[2:]), total.dtype)
        for t in range(len(total) - 1, 0, -1):
            np.multiply(total[t][..., None, :], blocks[t], out=of_gates)
            total[t - 1] += total[t] * keep[t]
            total[t - 1] += back(of_gates.reshape(*total.shape[1:-1], -1))

    def _back_reset_before(self, total: Array) -> None:
        keep, of_update, of_candidate = self._factors()
        of_reset = self._of_reset()
        reset = self.gates[RESET]
        rows = math.prod(total.shape[1:-1])
        back_candidate = StepProduct(self._cell.of_candidate.T, rows)
        back = StepProduct(self._cell.before_product.T, rows)
        for t in range(len(total) - 1, 0, -1):
            p = back_candidate(total[t] * of_candidate[t])
            of_gates = np.concatenate([total[t] * of_update[t], p * of_reset[t]], axis=-1)
            total[t - 1] += total[t] * keep[t] + p * reset[t] + back(of_gates)

    def _factors(self) -> tuple[Array, Array, Array]:
        """What δh_t gives to δh_{t-1} directly, to δz_u and to δz_n."""
        cell, values = self._cell, self.gates
        keep = values[UPDATE].copy()
        of_update = self._previous - values[CANDIDATE]
        of_update *= cell.recurrent_activation.derivative(self._z[UPDATE], values[UPDATE])
        of_candidate = (1 - values[UPDATE]) * cell.activation.derivative(self._z[CANDIDATE], values[CANDIDATE])
        left_out(self._mask, {0.0: [of_update, of_candidate], 1.0: [keep]})
        return keep, of_update, of_candidate

    def _of_reset(self) -> Array:
        """What multiplies p to give δz_r, where the reset gate comes before the product."""
        derivative = self._cell.recurrent_activation.derivative(self._z[RESET], self.gates[RESET])
        made = self._previous * derivative
        left_out(self._mask, {0.0: [made]})
        return made

    def input_gradient(self, gradients: Gradients) -> Array:
        """As `Trajectory.input_gradient`."""
        total = gradients.hidden
        lead = [1] * (total.ndim - self.hidden.ndim)

        def spread(factor: Array) -> Array:
            return factor.reshape(factor.shape[0], *lead, *factor.shape[1:])

        _, of_update, of_candidate = map(spread, self._factors())
        z_candidate = total * of_candidate
        if self._cell.reset_after:
            q = self._cell.block(self._of_state, CANDIDATE)
            derivative = self._cell.recurrent_activation.derivative(self._z[RESET], self.gates[RESET])
            z_reset = z_candidate * spread(q * derivative)
        else:
            z_reset = product(z_candidate, self._cell.of_candidate.T) * spread(self._of_reset())
        of_gates = np.concatenate([total * of_update, z_reset, z_candidate], axis=-1)
        return product(of_gates, self._cell.weights.kernel.T)
