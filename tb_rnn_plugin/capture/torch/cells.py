"""Taps on torch.nn.LSTMCell, GRUCell and RNNCell in a loop of the user's own."""

import inspect
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.layers import Layer
from tb_rnn_plugin.capture.torch.taps import Call, Clock, Gradient, Sequences, Tap
from tb_rnn_plugin.quantity_names import ACTIVATION, BPTT_GRADIENT, CELL_STATE, CELL_STATE_GRADIENT, OUTPUT_GRADIENT

Node = torch.autograd.graph.Node
#: What a call adds to the gradient of the state before it, with the version of the passes in which it did.
_Part = tuple[int, torch.Tensor]

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
        self.recurrent: list[_Part] | None = []
        self._passes = call.passes
        hidden = outputs[0]
        # Weak: that this step is remembered must not keep its graph in memory.
        self._hidden = weakref.ref(hidden)
        self._memory = _memory(hidden)
        #: Of the operation that made h_t, its place in the order of all operations; None where there is no graph.
        self.place = None if hidden.grad_fn is None else _place(hidden.grad_fn)

    def gave(self, hidden: torch.Tensor) -> bool:
        """Whether `hidden` is h_t, or h_t detached."""
        if hidden is self._hidden():
            return True
        memory = self._memory()
        return not hidden.requires_grad and memory is not None and memory is _memory(hidden)()

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

    def add(self, parts: Sequence[torch.Tensor]) -> None:
        """Takes what the next call adds to the gradient of h_t."""
        if self.recurrent is not None and self._passes.counts():
            self.recurrent.extend((self._passes.version, part) for part in parts)

    def direct(self) -> torch.Tensor | None:
        """The gradient of h_t by the direct path; None where it can't be told."""
        if self.recurrent is None:
            return None
        total = _zeros_unless(self.gradients[0].total, self.outputs[0])
        # In the order of the backward pass, so that what has no direct path is exactly zero.
        added = [_batched(part) for version, part in self.recurrent if version == self._passes.version]
        return total - sum(added[1:], added[0]) if added else total


class _AddTo:
    """A hook on an operation: keeps what it adds to a gradient."""

    def __init__(self, step: _Step, positions: Sequence[int]) -> None:
        self._step = step
        self._positions = positions

    def __call__(self, gradients: Sequence[torch.Tensor | None], _: object) -> None:
        """Gets the gradients of the operation's inputs."""
        self._step.add([gradient.detach() for p in self._positions if (gradient := gradients[p]) is not None])


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


def _memory(tensor: torch.Tensor) -> Callable[[], torch.UntypedStorage | None]:
    """Where the numbers of a tensor lie, as long as they are there; a tensor of torch.func has no place."""
    try:
        return weakref.ref(tensor.untyped_storage())
    except NotImplementedError:
        return lambda: None


def _place(node: Node) -> int:
    """Where an operation stands in the order in which all of a thread were made: what it was made of comes before."""
    return int(node._sequence_nr())  # noqa: SLF001


def _origin(node: Node | None, places: Collection[int]) -> int | None:
    """Of operations, the one by way of which another one was made, by their places; None for none of them."""
    waiting = [] if node is None else [node]
    seen = set(waiting)
    while waiting and len(seen) <= _MOST_NODES:
        node = waiting.pop(0)
        place = _place(node)
        if place in places:
            return place
        new = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= new
        # What was made before all of them can't be made of them.
        waiting += [before for before in new if min(places) <= _place(before)]
    return None


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
        if self._keep_inputs:  # copies: a training loop may overwrite them with its next batch
            self._inputs.append(_batched(input_.detach()).clone())
            if not self.steps:
                self._initial = [_batched(state.detach()).clone() for state in states]
        self.steps.append(_Step(self, outputs))

    def may_go_on(self, outputs: Sequence[torch.Tensor], now: Call) -> bool:
        """Whether a call may belong to this sequence."""
        place = (self.micro_batch, self.replica, self.in_backward)
        return (
            place == (now.micro_batch, now.replica, now.in_backward)
            and _batched(outputs[0]).shape == self.steps[-1].outputs[0].shape
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
        self.add_hook(self.module.register_forward_hook, self._called, self.clock, with_kwargs=True)

    def _called(self, module: nn.Module, arguments: Sequence[Any], named: Mapping[str, Any], result: Any) -> None:
        if not self.note_call():
            return
        input_, state = _given(module, arguments, named)
        count = 2 if isinstance(module, nn.LSTMCell) else 1
        states = _tensors(state)
        outputs = list(dict.fromkeys(_tensors(result)))  # a forward method of the user's own may return h and (h, c)
        if len(outputs) != count or not isinstance(input_, torch.Tensor):
            self.fail(
                f"its forward method takes {type(input_).__name__} and {type(state).__name__}, and returns "
                f"{len(outputs)} tensors; expected the input and the state, and {count}"
            )
            return
        now = _CellSequence(self.clock, module, keep_inputs=self._keep_inputs)
        before = self._before(states, outputs, now)
        if before is None:
            before = now
            self.add(now)
        before.add(input_, states, outputs)

    def _before(
        self, states: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor], now: Call
    ) -> _CellSequence | None:
        """The sequence that a call goes on with: the one whose last state it is given, or something made of that."""
        if not states:
            return None
        hidden = states[0]
        open_ = [
            call for call in reversed(self._calls) if isinstance(call, _CellSequence) and call.may_go_on(outputs, now)
        ]
        if found := next((call for call in open_ if call.steps[-1].gave(hidden)), None):
            return found
        by_place = {place: call for call in reversed(open_) if (place := call.steps[-1].place) is not None}
        origin = _origin(hidden.grad_fn, by_place) if by_place else None
        return None if origin is None else by_place[origin]


def _given(module: nn.Module, arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
    """Input and state, whatever a forward method of the user's own calls them."""
    if named:
        arguments = list(inspect.signature(module.forward).bind(*arguments, **named).arguments.values())
    return arguments[0], arguments[1] if len(arguments) > 1 else None


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    return [tensor for value in values for tensor in _tensors(value)] if isinstance(values, tuple | list) else []
