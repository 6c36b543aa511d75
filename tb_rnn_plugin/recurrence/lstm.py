"""The LSTM, with and without a projection, and its adjoint.

    z = x_t W + b + h_{t-1} U, whose blocks are z_i, z_f, z_g, z_o in the layer's order
    i, f, o = σ(z_i), σ(z_f), σ(z_o)        g = φ(z_g)          (the gates "input", "forget", "output", "cell")
    c_t = f ⊙ c_{t-1} + i ⊙ g               m_t = o ⊙ φ(c_t)
    h_t = m_t, or m_t P where the layer projects

With δv for dL/dv, from the last timestep to the first:

    δh_t = direct_t + δz_{t+1} Uᵀ           δm_t = δh_t, or δh_t Pᵀ
    δc_t = δc_{t+1} ⊙ f_{t+1} + δm_t ⊙ o ⊙ φ'(c_t)
    δz_i = δc_t ⊙ g ⊙ σ'(z_i)               δz_f = δc_t ⊙ c_{t-1} ⊙ σ'(z_f)
    δz_g = δc_t ⊙ i ⊙ φ'(z_g)               δz_o = δm_t ⊙ φ(c_t) ⊙ σ'(z_o)
    δx_t = δz_t Wᵀ

All that multiplies δc and δm there is known before the way back begins. δh_t is the gradient of h_t alone, δc_t that of
c_t with what comes back through h_t.

Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000; the projection is that of Sak,
Senior & Beaufays 2014 (arXiv 1402.1128).
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

INPUT, FORGET, CELL, OUTPUT = "input", "forget", "cell", "output"


class LSTMCell(Cell):
    """LSTM of Keras, PyTorch and Flax."""

    def __init__(
        self, weights: Weights, gates: Sequence[str], activation: Activation, recurrent_activation: Activation
    ) -> None:
        super().__init__(weights)
        self.gates = tuple(gates)
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.units = weights.kernel.shape[-1] // len(self.gates)

    @property
    def state_widths(self) -> tuple[int, ...]:
        """Those of h and of c."""
        return (self.weights.recurrent_kernel.shape[0], self.units)

    def run(
        self, x: Array, initial: Sequence[Array], *, mask: Array | None = None, hidden: Array | None = None
    ) -> "LSTMTrajectory":
        """As `Cell.run`."""
        first, first_cell_state = initial
        z = affine(x, self.weights.kernel, self.weights.bias)
        if hidden is not None:
            z += product(before(hidden, first), self.weights.recurrent_kernel)
            return LSTMTrajectory(self, z, hidden, first_cell_state, mask)
        hidden = np.empty((len(x), *first.shape), x.dtype)
        forth = StepProduct(self.weights.recurrent_kernel, len(first))
        now, cell_state = first, first_cell_state
        for t, of_step in enumerate(steps(mask, len(x))):
            z[t] += forth(now)
            values = self.values(z[t])
            cell_state = held(values[FORGET] * cell_state + values[INPUT] * values[CELL], cell_state, of_step)
            now = hidden[t] = held(self.output(values[OUTPUT], self.activation.function(cell_state)), now, of_step)
        return LSTMTrajectory(self, z, hidden, first_cell_state, mask)

    def of_gate(self, gate: str) -> Activation:
        """A gate's function."""
        return self.activation if gate == CELL else self.recurrent_activation

    def blocks(self, z: Array) -> dict[str, Array]:
        """Views of what goes into each gate."""
        return {gate: z[..., i * self.units : (i + 1) * self.units] for i, gate in enumerate(self.gates)}

    def values(self, z: Array) -> dict[str, Array]:
        """The value of each gate."""
        return {gate: self.of_gate(gate).function(block) for gate, block in self.blocks(z).items()}

    def output(self, gate: Array, squashed: Array) -> Array:
        """h_t, from the output gate and φ(c_t)."""
        output = gate * squashed
        return output if self.weights.projection is None else product(output, self.weights.projection)


class LSTMTrajectory(Trajectory):
    """What an LSTM went through."""

    def __init__(self, cell: LSTMCell, z: Array, hidden: Array, first_cell_state: Array, mask: Array | None) -> None:
        self._cell = cell
        self._z = z
        self.hidden = hidden
        self.gates = values = cell.values(z)
        self._mask = mask
        cell_state = values[INPUT] * values[CELL]
        now = first_cell_state
        for t, of_step in enumerate(steps(mask, len(z))):
            cell_state[t] += values[FORGET][t] * now
            now = cell_state[t] = held(cell_state[t], now, of_step)
        self.cell_state: Array = cell_state
        self._first_cell_state = first_cell_state
        self._squashed = cell.activation.function(cell_state)
        self.recomputed = cell.output(values[OUTPUT], self._squashed)

    def gradients(self, direct: Array, to_cell_state: Array | None = None) -> Gradients:
        """As `Trajectory.gradients`."""
        cell, projection = self._cell, self._cell.weights.projection
        of_hidden, factors, keep = self._factors()
        timesteps, samples, units = self.cell_state.shape
        lead = direct.shape[1:-2]
        hidden = np.array(direct)
        if to_cell_state is None:
            cell_state = np.zeros((timesteps, *lead, samples, units), hidden.dtype)
        else:
            cell_state = np.array(to_cell_state)
        back = StepProduct(cell.weights.recurrent_kernel.T, math.prod(lead) * samples)
        masks = steps(self._mask, timesteps)
        output_block = cell.gates.index(OUTPUT)
        of_gates = np.empty((*lead, samples, len(cell.gates), units), hidden.dtype)
        for t in range(timesteps - 1, -1, -1):
            of_output = hidden[t] if projection is None else hidden[t] @ projection.T
            cell_state[t] += of_output * of_hidden[t]
            if not t:
                break
            np.multiply(cell_state[t][..., None, :], factors[t], out=of_gates)
            np.multiply(of_output, factors[t][:, output_block], out=of_gates[..., output_block, :])
            through = back(of_gates.reshape(*lead, samples, -1))
            of_step = masks[t]
            hidden[t - 1] += through if of_step is None else np.where(of_step[:, None], through, hidden[t])
            cell_state[t - 1] += cell_state[t] * keep[t]
        return Gradients(hidden, cell_state)

    def _factors(self) -> tuple[Array, Array, Array]:
        """What δm adds to δc, what δc (of the output gate: δm) gives to each δz, and what of δc goes on to δc_{t-1}."""
        cell, values = self._cell, self.gates
        to_cell_state = values[OUTPUT] * cell.activation.derivative(self.cell_state, self._squashed)
        other = {
            INPUT: values[CELL],
            FORGET: before(self.cell_state, self._first_cell_state),
            CELL: values[INPUT],
            OUTPUT: self._squashed,
        }
        blocks = cell.blocks(self._z)
        factors = np.empty((*self.cell_state.shape[:2], len(cell.gates), cell.units), self._z.dtype)
        for index, gate in enumerate(cell.gates):
            derivative = cell.of_gate(gate).derivative(blocks[gate], values[gate])
            np.multiply(derivative, other[gate], out=factors[:, :, index])
        keep = values[FORGET]
        if self._mask is not None:
            keep = keep.copy()
            left_out(self._mask, {0.0: [to_cell_state, factors], 1.0: [keep]})
        return to_cell_state, factors, keep

    def input_gradient(self, gradients: Gradients) -> Array:
        """As `Trajectory.input_gradient`."""
        if gradients.cell_state is None:
            raise ValueError("gradients: expected those of an LSTM, got none of its cell state.")
        cell, projection = self._cell, self._cell.weights.projection
        _, factors, _ = self._factors()
        lead = [1] * (gradients.hidden.ndim - self.hidden.ndim)
        factors = factors.reshape(factors.shape[0], *lead, *factors.shape[1:])
        of_output = gradients.hidden if projection is None else product(gradients.hidden, projection.T)
        of_gates = gradients.cell_state[..., None, :] * factors
        index = cell.gates.index(OUTPUT)
        of_gates[..., index, :] = of_output * factors[..., index, :]
        return product(of_gates.reshape(*of_output.shape[:-1], -1), cell.weights.kernel.T)
