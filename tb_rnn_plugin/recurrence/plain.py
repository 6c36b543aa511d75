"""The plain recurrent cell (SimpleRNN, nn.RNN), and its adjoint.

    z_t = x_t W + b + h_{t-1} U        h_t = φ(z_t)

With δv for dL/dv, where L depends on h_t by the direct path (what arrives from outside) and through h_{t+1}:

    δh_t = direct_t + δz_{t+1} Uᵀ      δz_t = δh_t ⊙ φ'(z_t)      δx_t = δz_t Wᵀ

This is backpropagation through time: Werbos 1990, "Backpropagation through time: what it does and how to do it".
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


class PlainCell(Cell):
    """SimpleRNN in Keras, RNN in PyTorch, SimpleCell in Flax."""

    def __init__(self, weights: Weights, activation: Activation) -> None:
        super().__init__(weights)
        self.activation = activation

    def run(
        self, x: Array, initial: Sequence[Array], *, mask: Array | None = None, hidden: Array | None = None
    ) -> "PlainTrajectory":
        """As `Cell.run`."""
        (first,) = initial
        given = affine(x, self.weights.kernel, self.weights.bias)
        if hidden is not None:
            given += product(before(hidden, first), self.weights.recurrent_kernel)
            return PlainTrajectory(self, given, hidden, mask)
        hidden = np.empty((len(x), *first.shape), x.dtype)
        forth = StepProduct(self.weights.recurrent_kernel, len(first))
        now = first
        for t, of_step in enumerate(steps(mask, len(x))):
            given[t] += forth(now)
            now = hidden[t] = held(self.activation.function(given[t]), now, of_step)
        return PlainTrajectory(self, given, hidden, mask)


class PlainTrajectory(Trajectory):
    """What a plain cell went through."""

    def __init__(self, cell: PlainCell, z: Array, hidden: Array, mask: Array | None) -> None:
        self._cell = cell
        self.hidden = hidden
        self.recomputed = cell.activation.function(z)
        self.gates = {}
        self._slope = cell.activation.derivative(z, self.recomputed)
        self._masks = steps(mask, len(z))
        left_out(mask, {0.0: [self._slope]})

    def gradients(self, direct: Array, to_cell_state: Array | None = None) -> Gradients:  # noqa: ARG002
        """As `Trajectory.gradients`."""
        total = np.array(direct)
        back = StepProduct(self._cell.weights.recurrent_kernel.T, math.prod(total.shape[1:-1]))
        for t in range(len(total) - 1, 0, -1):
            through = back(total[t] * self._slope[t])
            of_step = self._masks[t]
            total[t - 1] += through if of_step is None else np.where(of_step[:, None], through, total[t])
        return Gradients(total)

    def input_gradient(self, gradients: Gradients) -> Array:
        """As `Trajectory.input_gradient`."""
        lead = gradients.hidden.ndim - self._slope.ndim
        slope = self._slope.reshape(self._slope.shape[0], *[1] * lead, *self._slope.shape[1:])
        return product(gradients.hidden * slope, self._cell.weights.kernel.T)
