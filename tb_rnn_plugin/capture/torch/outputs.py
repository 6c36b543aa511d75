"""Taps on the output of a PyTorch module of any kind."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from tb_rnn_plugin.capture.torch.layers import Layer, OtherLayer
from tb_rnn_plugin.capture.torch.taps import Call, Clock, Gradient, Sequences, Tap
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

_RANKS = (2, 3)
# More timesteps than any loop has: bounds the memory of one without a backward pass.
_MOST_TIMESTEPS = 4096


class _Output(Call):
    """A call that returned a sequence, or the calls of one pass that returned one timestep each."""

    def __init__(self, clock: Clock, module: nn.Module, layer: OtherLayer) -> None:
        super().__init__(clock, module)
        self._layer = layer
        self._parts: list[torch.Tensor] = []  # (samples, timesteps, channels)
        self._gradients: list[Gradient] = []

    def add(self, output: torch.Tensor) -> None:
        """Takes a sequence, or the next timestep."""
        # A copy: what comes next may change the output in place.
        self._parts.append(self._layer.in_time(output.detach()).clone(memory_format=torch.contiguous_format))
        self._gradients.append(Gradient(self).of(output))

    def goes_on(self, output: torch.Tensor, now: Call) -> bool:
        """Whether an output is the timestep that comes next."""
        last = self._parts[-1]
        return (
            last.shape[1] == 1
            and last.shape == self._layer.in_time(output).shape
            and (self.order, self.in_backward) == (now.order, now.in_backward)
            and len(self._parts) < _MOST_TIMESTEPS
        )

    def sequences(self, _: Layer) -> Sequences:
        """Activation, and what arrives there.

        Of a cell of one's own in a loop, whose output comes back as its state, that is all of the gradient: what comes
        back through time can't be told from the direct path.
        """
        made = {ACTIVATION: torch.cat(self._parts, dim=1)}
        if self.arrived:
            arrived = [
                torch.zeros_like(part) if gradient.total is None else self._layer.in_time(gradient.total)
                for part, gradient in zip(self._parts, self._gradients, strict=True)
            ]
            made[OUTPUT_GRADIENT] = torch.cat(arrived, dim=1)
        return made


class OutputTap(Tap):
    """The hook on a module whose inside isn't known."""

    def __init__(self, layer: OtherLayer, clock: Clock) -> None:
        super().__init__(layer.module, [layer], clock)
        self._layer = layer
        #: What it returns, if that can't be recorded.
        self.refused = ""

    def attach(self) -> None:
        """Puts the hook on."""
        self.add_hook(self.module.register_forward_hook, self._called, self.clock)

    def _called(self, module: nn.Module, _: object, result: Any) -> None:
        if not self.note_call():
            return
        output = _first(result)
        if not isinstance(output, torch.Tensor):
            self.refused = f"a {type(output).__name__}"
            return
        if output.ndim not in _RANKS or not output.is_floating_point() or output.is_nested:
            self.refused = f"a {'nested tensor' if output.is_nested else f'{output.dtype} {tuple(output.shape)}'}"
            return
        now = _Output(self.clock, module, self._layer)
        before = next((call for call in reversed(self._calls) if call.replica == now.replica), None)
        if not isinstance(before, _Output) or not before.goes_on(output, now):
            before = now
            self.add(now)
        before.add(output)


def _first(result: Any) -> Any:
    """The output of a module that returns others with it, as an attention does its weights."""
    while isinstance(result, Mapping | tuple | list) and not isinstance(result, PackedSequence) and result:
        result = next(iter(result.values() if isinstance(result, Mapping) else result))
    return result
