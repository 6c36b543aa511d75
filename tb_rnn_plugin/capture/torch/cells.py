"""Taps on torch.nn.LSTMCell, GRUCell and RNNCell in a loop of the user's own."""

import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.layers import Layer
from tb_rnn_plugin.capture.torch.taps import Call, Clock, Gradient, Hook, Sequences, Tap
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, CELL_STATE, CELL_STATE_GRADIENT, OUTPUT_GRADIENT

Node = torch.autograd.graph.Node

# More operations than any cell has.
_MOST_NODES = 200


class _Step:
    """One call of the cell.

    Attributes:
        outputs: h_t, and of an LSTM c_t: (samples, channels).
        gradients: Their total gradients.
        recurrent: What of h_t's gradient comes from the next call; None where it can't be told apart.
        is_last: Whether no call follows.
    """

    def __init__(self, call: "_CellSequence", outputs: Sequence[torch.Tensor]) -> None:
        self.outputs = [_batched(output.detach()).clone() for output in outputs]
        self.gradients = [Gradient(call).of(output) for output in outputs]
        self.recurrent: list[torch.Tensor] | None = []
        # Weak: that this step is remembered must not keep its graph in memory.
        self._hidden = weakref.ref(outputs[0])

    def follows(self, hidden: torch.Tensor) -> bool:
        """Whether a call that is given `hidden` as its state may be the next one."""
        previous = self._hidden()
        if hidden.requires_grad:
            return not hidden.is_leaf
        return previous is not None and hidden.data_ptr() == previous.data_ptr()

    def separate(self, input_: torch.Tensor, states: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> None:
        """Has the next call tell what it adds to the gradient of this one's h_t: the rest comes by the direct path."""
        hidden, *others = states
        if not hidden.requires_grad:
            return  # detached: nothing comes from there
        target = hidden.grad_fn
        if hidden is not self._hidden() or input_ is hidden or target is None or input_.grad_fn is target:
            self.recurrent = None
            return
        edges = _edges_between(
            outputs, target, hidden.output_nr, {input_.grad_fn, *(state.grad_fn for state in others)}
        )
        if edges is None:
            self.recurrent = None
            return
        for node, positions in edges.items():
            node.register_hook(_AddTo(self, positions))

    def direct(self) -> torch.Tensor | None:
        """The gradient of h_t by the direct path; None where it can't be told."""
        if self.recurrent is None:
            return None
        total = _zeros_unless(self.gradients[0].total, self.outputs[0])
        # In the order of the backward pass, so that what has no direct path is exactly zero.
        added = [_batched(part) for part in self.recurrent]
        return total - sum(added[1:], added[0]) if added else total


class _AddTo:
    """A hook on an operation: keeps what it adds to a gradient."""

    def __init__(self, step: _Step, positions: Sequence[int]) -> None:
        self._step = step
        self._positions = positions

    def __call__(self, gradients: Sequence[torch.Tensor | None], _: object) -> None:
        """Gets the gradients of the operation's inputs."""
        parts = [gradient.detach() for p in self._positions if (gradient := gradients[p]) is not None]
        if self._step.recurrent is not None:
            self._step.recurrent.extend(parts)


def _edges_between(
    outputs: Sequence[torch.Tensor], target: Node, output_number: int, ends: Collection[Node | None]
) -> Mapping[Node, list[int]] | None:
    """The operations of one call that use h_t, with the places among their inputs at which they do."""
    found: dict[Node, list[int]] = {}
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for position, (before, number) in enumerate(node.next_functions):
            if before is target:
                if number == output_number:
                    found.setdefault(node, []).append(position)
            elif before is not None and before not in ends and before not in seen:
                seen.add(before)
                waiting.append(before)
        if len(seen) > _MOST_NODES:
            return None
    return found


class _CellSequence(Call):
    """The calls of a cell, each of which goes on where the one before it ended."""

    def __init__(self, clock: Clock, module: nn.Module, *, keep_inputs: bool) -> None:
        super().__init__(clock, module)
        self._keep_inputs = keep_inputs
        self._inputs: list[torch.Tensor] = []
        self._initial: list[torch.Tensor] | None = None
        self.steps: list[_Step] = []

    def add(self, input_: torch.Tensor, states: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> None:
        """Takes a call."""
        if self.steps and states:
            self.steps[-1].separate(input_, states, outputs)
        if self._keep_inputs:
            self._inputs.append(_batched(input_.detach()))
            if not self.steps:
                self._initial = [_batched(state.detach()) for state in states]
        self.steps.append(_Step(self, outputs))

    def goes_on(self, states: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor], now: Call) -> bool:
        """Whether a call belongs to this sequence."""
        last = self.steps[-1]
        place = (self.micro_batch, self.replica, self.in_backward)
        return (
            place == (now.micro_batch, now.replica, now.in_backward)
            and bool(states)
            and _batched(outputs[0]).shape == last.outputs[0].shape
            and last.follows(states[0])
        )

    def sequences(self, layer: Layer) -> Sequences:
        """Activation, its total gradient, and, where it can be told, the part that came by the direct path."""
        made: Sequences = {ACTIVATION: _over_time([step.outputs[0] for step in self.steps])}
        has_cell_state = len(self.steps[0].outputs) > 1
        if has_cell_state:
            made[CELL_STATE] = _over_time([step.outputs[1] for step in self.steps])
        if self.arrived:
            made[BPTT_GRADIENT] = self._totals(0)
            if has_cell_state:
                made[CELL_STATE_GRADIENT] = self._totals(1)
            direct = [step.direct() for step in self.steps]
            known = [gradient for gradient in direct if gradient is not None]
            if len(known) == len(direct):
                made[OUTPUT_GRADIENT] = _over_time(known)
            else:
                self.clock.notices.say(
                    f"direct {layer.name}",
                    f"{layer.name!r}: the output gradient is left out, since the cell isn't given the very state "
                    "that it returned, or gets it as its input too: the direct path can't be told from the one through "
                    "time. The total gradient is recorded, as bptt_gradient.",
                )
        if self._keep_inputs and self._initial is not None:
            made[torch_taps.INPUT] = _over_time(self._inputs)
            initial = self._initial or [torch.zeros_like(output) for output in self.steps[0].outputs]
            made |= {f"{torch_taps.INITIAL_STATE}{index}": state for index, state in enumerate(initial)}
        return made

    def _totals(self, index: int) -> torch.Tensor:
        return _over_time([_zeros_unless(step.gradients[index].total, step.outputs[index]) for step in self.steps])


def _batched(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.ndim > 1 else tensor[None]


def _over_time(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(tensors), dim=1)


def _zeros_unless(gradient: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(like) if gradient is None else _batched(gradient)


class CellTap(Tap):
    """The hook on a torch.nn.LSTMCell, GRUCell or RNNCell."""

    def __init__(self, module: nn.Module, layers: Sequence[Layer], clock: Clock, *, keep_inputs: bool) -> None:
        super().__init__(module, layers, clock)
        self._keep_inputs = keep_inputs

    def attach(self) -> None:
        """Puts the hook on."""
        self.add_hook(self.module.register_forward_hook, Hook(self._called, self.clock), with_kwargs=True)

    def _called(self, module: nn.Module, arguments: Sequence[Any], named: Mapping[str, Any], result: Any) -> None:
        if not torch.is_grad_enabled():
            return
        input_ = arguments[0] if arguments else named["input"]
        states = _tensors(arguments[1] if len(arguments) > 1 else named.get("hx"))
        outputs = _tensors(result)
        now = _CellSequence(self.clock, module, keep_inputs=self._keep_inputs)
        before = next((call for call in reversed(self._calls) if call.replica == now.replica), None)
        if not isinstance(before, _CellSequence) or not before.goes_on(states, outputs, now):
            before = now
            self.add(now)
        before.add(input_, states, outputs)


def _tensors(values: Any) -> list[torch.Tensor]:
    if values is None:
        return []
    return [values] if isinstance(values, torch.Tensor) else list(values)
