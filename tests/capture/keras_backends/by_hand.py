"""Recurrent layers written out step by step, for JAX or PyTorch alone to differentiate: what captures have to match."""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Tensor: TypeAlias = Any
#: One for each timestep.
Steps: TypeAlias = list[Tensor]
#: "kernel", "recurrent_kernel" and "bias".
Weights: TypeAlias = Mapping[str, Tensor]
#: From what it is differentiated with respect to, and other arrays, to the loss and other values.
Loss: TypeAlias = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], tuple[Tensor, Mapping[str, Tensor]]]


class Numbers:
    """The few functions that a cell needs, of JAX or of PyTorch: their names are the same, but for these."""

    def __init__(self, backend: str) -> None:
        self._is_jax = backend == "jax"
        self.functions: Any = importlib.import_module("jax.numpy" if self._is_jax else "torch")

    def sigmoid(self, z: Tensor) -> Tensor:
        return 1 / (1 + self.functions.exp(-z))

    def tensor(self, array: Array) -> Tensor:
        return self.functions.asarray(array)

    def joined(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        return self.functions.concatenate(list(tensors), axis)

    def sequence(self, steps: Steps) -> Tensor:
        """(samples, timesteps, channels)."""
        return self.functions.stack(list(steps), 1)

    def differentiated(
        self, loss: Loss, arrays: Mapping[str, Array], others: Mapping[str, Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """What else the loss function returns, and its gradients with respect to the first arrays."""
        return (self._by_jax if self._is_jax else self._by_torch)(loss, arrays, others)

    def _by_jax(
        self, loss: Loss, arrays: Mapping[str, Array], others: Mapping[str, Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        gradients, values = _compiled_by_jax(loss)(dict(arrays), dict(others))
        return _as_arrays(values), _as_arrays(gradients)

    def _by_torch(
        self, loss: Loss, arrays: Mapping[str, Array], others: Mapping[str, Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        import torch  # noqa: PLC0415  # where it is installed

        tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
        value, values = loss(tensors, {name: torch.tensor(array) for name, array in others.items()})
        gradients = torch.autograd.grad(value, list(tensors.values()))
        return _as_arrays({name: tensor.detach() for name, tensor in values.items()}), _as_arrays(
            dict(zip(tensors, gradients, strict=True))
        )

    def step(self, kind: str, weights: Weights, x: Tensor, states: Steps) -> Steps:
        """The states after a timestep, the output first."""
        h = states[0]
        kernel, recurrent_kernel, bias = (weights[name] for name in ("kernel", "recurrent_kernel", "bias"))
        input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, 0)
        of_input, of_state = x @ kernel + input_bias, h @ recurrent_kernel + recurrent_bias
        tanh, sigmoid = self.functions.tanh, self.sigmoid
        if kind == "SimpleRNN":
            return [tanh(of_input + of_state)]
        units = h.shape[-1]
        blocks = [slice(i * units, (i + 1) * units) for i in range(kernel.shape[-1] // units)]
        gates = [(of_input + of_state)[:, block] for block in blocks]
        if kind == "LSTM":
            i, f, c, o = gates
            cell = sigmoid(f) * states[1] + sigmoid(i) * tanh(c)
            return [sigmoid(o) * tanh(cell), cell]
        update, reset = sigmoid(gates[0]), sigmoid(gates[1])
        last = blocks[2]
        # Two biases: the reset comes after the product with the recurrent kernel.
        of_reset = reset * of_state[:, last] if bias.ndim == 2 else (reset * h) @ recurrent_kernel[:, last]
        return [update * h + (1 - update) * tanh(of_input[:, last] + of_reset)]

    def run(
        self,
        kind: str,
        weights: Weights,
        x: Steps,
        *,
        states: Steps | None = None,
        mask: Tensor | None = None,
        zeros_where_masked: bool = False,
        backwards: bool = False,
    ) -> tuple[Steps, Steps]:
        """The output at each timestep of `x`, in its order, and the last states. The first states are zeros."""
        units = weights["recurrent_kernel"].shape[0]
        zeros = self.tensor(np.zeros((len(x[0]), units), np.float32))
        states = list(states or [zeros] * (2 if kind == "LSTM" else 1))
        outputs: dict[int, Tensor] = {}
        before = zeros
        for t in range(len(x))[:: -1 if backwards else 1]:
            new = self.step(kind, weights, x[t], states)
            output = new[0]
            if mask is not None:
                here = mask[:, t, None]
                where = self.functions.where
                output = where(here, output, zeros if zeros_where_masked else before)
                new = [where(here, one, old) for one, old in zip(new, states, strict=True)]
            outputs[t], before, states = output, output, new
        return [outputs[t] for t in range(len(x))], states


@functools.cache
def _compiled_by_jax(loss: Loss) -> Any:  # a jitted function
    import jax  # noqa: PLC0415  # where it is installed

    return jax.jit(jax.grad(loss, has_aux=True))


def _as_arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}
