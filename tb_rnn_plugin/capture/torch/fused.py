"""Taps on torch.nn.LSTM, GRU and RNN: on every layer of a module, whose forward pass is a single function."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn, overrides
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.fused_function import FUNCTIONS, Arguments, Function
from tb_rnn_plugin.capture.torch.layers import Layer, RecurrentLayer
from tb_rnn_plugin.capture.torch.taps import Call, Clock, Gradient, Sequences, Tap
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT

_overrides: Any = overrides  # there is no public way to the stack of modes
_SEQUENCE_RANK = 3
# Where a recurrent function is made of functions for one layer each.
_COMPOSITE_DEVICES: tuple[str, ...] = ("cpu",)


@dataclasses.dataclass(eq=False)
class _Output:
    """What is kept of one layer in one call; of packed sequences their data.

    Attributes:
        input: The layer's input, with timesteps first.
        activation: A copy of its output, with samples first.
        gradient: What arrives at the output.
        state_gradients: What arrives at its last states: (directions, samples, channels).
        batch_first: Whether samples come first in the gradient.
    """

    input: torch.Tensor | None
    activation: torch.Tensor
    gradient: Gradient
    state_gradients: Sequence[Gradient]
    batch_first: bool = False


class _FusedCall(Call):
    """One call of a recurrent module."""

    def __init__(self, clock: Clock, module: nn.Module, *, keep_inputs: bool) -> None:
        super().__init__(clock, module)
        self.outputs: list[_Output | None] = []
        self.unsorted: torch.Tensor | None = None  # of packed sequences: the place of each sample in the sorted ones
        self._keep_inputs = keep_inputs
        self._arguments: Arguments | None = None
        self._whole: _Whole | None = None

    @property
    def has_outputs(self) -> bool:
        """Whether something is tapped."""
        return bool(self.outputs) or self._whole is not None

    def begin(self, arguments: Arguments) -> None:
        """Notes what the module calls its function with."""
        self._arguments = arguments

    def tap_whole(self, result: Sequence[torch.Tensor]) -> None:
        """Taps what several layers return together."""
        if self._arguments is not None:
            self._whole = _Whole(self._arguments, self, result)

    def tap(self, input_: torch.Tensor | None, outputs: Sequence[torch.Tensor], *, batch_first: bool = False) -> None:
        """Taps a layer's output and last states."""
        gradient, *of_states = (Gradient(self).of(tensor) for tensor in outputs)
        kept = input_.detach() if input_ is not None and self._keep_inputs else None
        activation = self.copied(outputs[0], batch_first=batch_first)
        self.outputs.append(_Output(kept, activation, gradient, of_states, batch_first))

    def copied(self, output: torch.Tensor, *, batch_first: bool) -> torch.Tensor:
        """A copy with samples first, or packed: what comes next may change the output in place."""
        ordered = output.detach() if batch_first or self._is_packed else output.detach().transpose(0, 1)
        return ordered.clone(memory_format=torch.contiguous_format)

    @property
    def _is_packed(self) -> bool:
        return self._arguments is not None and self._arguments.batch_sizes is not None

    def sequences(self, layer: Layer) -> Sequences:
        """Activation and output gradient of one layer; and what it was given, if that is kept."""
        if self._whole is not None and not self.outputs:
            self.outputs = self._whole.outputs()
        index = layer.index or 0 if isinstance(layer, RecurrentLayer) else 0
        # A forward method of the user's own shows what the module returns only: that of its last layer.
        if self._arguments is None and len(self.outputs) == 1:
            index = 0 if index == getattr(layer.module, "num_layers", 1) - 1 else 1
        output = self.outputs[index] if index < len(self.outputs) else None
        if output is None:
            return {}
        made: Sequences = {ACTIVATION: self._samples_first(output.activation, batch_first=True)}
        if self.arrived:
            made[OUTPUT_GRADIENT] = self._output_gradient(output, made[ACTIVATION])
        if self._keep_inputs:
            made |= self._inputs(output, index)
        return made

    def _samples_first(self, tensor: torch.Tensor, *, batch_first: bool) -> torch.Tensor:
        if self._arguments is not None and self._arguments.batch_sizes is not None:
            packed = PackedSequence(tensor, self._arguments.batch_sizes, None, self.unsorted)
            tensor, _ = pad_packed_sequence(packed, batch_first=True)
            return tensor
        return tensor if batch_first else tensor.transpose(0, 1)

    def _state(self, tensor: torch.Tensor) -> torch.Tensor:
        """(directions, samples, channels) in the samples' own order."""
        return tensor if self.unsorted is None else tensor.index_select(1, self.unsorted)

    def _lengths(self, samples: int, timesteps: int) -> torch.Tensor:
        if self._arguments is None or self._arguments.batch_sizes is None:
            return torch.full((samples,), timesteps)
        sizes = self._arguments.batch_sizes.cpu()
        lengths = (sizes[:, None] > torch.arange(samples)).sum(0)
        return lengths if self.unsorted is None else lengths[self.unsorted.cpu()]

    def _output_gradient(self, output: _Output, activation: torch.Tensor) -> torch.Tensor:
        if output.gradient.total is None:
            made = torch.zeros_like(activation)
        else:
            made = self._samples_first(output.gradient.total, batch_first=output.batch_first)
        of_state = output.state_gradients[0].total if output.state_gradients else None
        if of_state is not None:
            # h_T is y_T: its gradient belongs to the output of the last step of each direction.
            made = made.clone()
            of_state = self._state(of_state).to(made.dtype)
            width = of_state.shape[-1]
            rows = torch.arange(len(made), device=made.device)
            last = self._lengths(*made.shape[:2]).to(made.device) - 1
            made[rows, last, :width] += of_state[0]
            if len(of_state) > 1:
                made[:, 0, width:] += of_state[1]
        return made

    def _inputs(self, output: _Output, index: int) -> Sequences:
        given, arguments = output.input, self._arguments
        if given is None or arguments is None:
            return {}
        made = {torch_taps.INPUT: self._samples_first(given, batch_first=False)}
        if arguments.batch_sizes is not None:
            samples, timesteps = made[torch_taps.INPUT].shape[:2]
            lengths = self._lengths(samples, timesteps)
            made[torch_taps.MASK] = torch.arange(timesteps) < lengths[:, None]
        initial = [self._state(state) for state in arguments.states_of(index)]
        last = [None if g.total is None else self._state(g.total) for g in output.state_gradients]
        for direction in range(arguments.directions):
            for number, (state, gradient) in enumerate(zip(initial, last, strict=True)):
                position = direction * len(initial) + number
                made[f"{torch_taps.INITIAL_STATE}{position}"] = state[direction]
                arrived = torch.zeros_like(state[direction]) if gradient is None else gradient[direction]
                made[f"{torch_taps.STATE_GRADIENT}{position}"] = arrived
        return made


class _Whole:
    """A call of several layers at once, for which a GPU has a function of its own.

    Nothing of it may change, or training would: the layers below the last one are computed once more, when they are
    read.
    """

    def __init__(self, arguments: Arguments, call: _FusedCall, result: Sequence[torch.Tensor]) -> None:
        self._arguments = arguments
        self._call = call
        self._activation = call.copied(result[0], batch_first=arguments.batch_first)
        self._gradient, *self._state_gradients = (Gradient(call).of(tensor) for tensor in result)
        kind = arguments.input.device.type
        self._autocast = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    def outputs(self) -> list[_Output | None]:
        """All layers; where dropout between them can't be repeated, the last one, and None for the others."""
        given = self._arguments
        top = _Output(None, self._activation, self._gradient, self._states_of(given.layers - 1), given.batch_first)
        if given.drops_between:
            self._call.clock.notices.say(
                "dropout",
                "of a recurrent module with dropout between its layers only the last layer's sequences are recorded "
                "on a GPU, whose random numbers can't be repeated, and its gates and gradient through time are left "
                "out. To see them all, make a module of each layer.",
            )
            return [*[None] * (given.layers - 1), top]
        seen: list[tuple[torch.Tensor, Sequence[torch.Tensor]]] = []
        kind, dtype, enabled = self._autocast
        with torch.enable_grad(), torch.autocast(kind, dtype, enabled=enabled):
            leaf = dataclasses.replace(given, input=given.input.detach().requires_grad_())
            leaf.layer_by_layer(lambda inner, outputs: seen.append((inner, outputs)))
        gradients = self._backward([outputs for _, outputs in seen]) if self._call.arrived else [None] * given.layers
        made = [
            _Output(
                inner.detach(),
                self._call.copied(outputs[0], batch_first=False),
                Gradient(self._call, gradient),
                self._states_of(index),
            )
            for index, ((inner, outputs), gradient) in enumerate(zip(seen[:-1], gradients, strict=False))
        ]
        top.input = seen[-1][0].detach()
        return [*made, top]

    def _states_of(self, index: int) -> list[Gradient]:
        count = self._arguments.directions
        return [
            Gradient(self._call, None if g.total is None else g.total[index * count : (index + 1) * count])
            for g in self._state_gradients
        ]

    def _backward(self, outputs: Sequence[Sequence[torch.Tensor]]) -> Sequence[torch.Tensor | None]:
        """The gradients of the layers' outputs, from those that arrived."""
        ends: list[torch.Tensor] = []
        arrived: list[torch.Tensor] = []
        for index, (_, *states) in enumerate(outputs):
            for state, gradient in zip(states, self._states_of(index), strict=True):
                if gradient.total is not None:
                    ends.append(state)
                    arrived.append(gradient.total)
        if self._gradient.total is not None:
            total = self._gradient.total
            ends.append(outputs[-1][0])
            arrived.append(total.transpose(0, 1) if self._arguments.batch_first else total)
        inner = [of_layer[0] for of_layer in outputs[:-1]]
        return torch.autograd.grad(ends, inner, arrived, allow_unused=True)


class _Intercept(TorchFunctionMode):
    """One call of a module, whose recurrent function is run here.

    Attributes:
        module: The module.
        calls: What is kept of the call, for each of the taps on the module.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.calls: list[_FusedCall] = []
        self._has_run = False
        self._run_eagerly = torch.compiler.disable(self._run)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What PyTorch calls in place of each of its functions."""
        if func in FUNCTIONS and not kwargs and not self._has_run:
            self._has_run = True
            return self._run_eagerly(func, args)
        return func(*args, **(kwargs or {}))

    def leave(self) -> None:
        """Takes the mode off the stack of modes, wherever it lies: others may have been entered since."""
        above: list[TorchFunctionMode] = []
        while _overrides._get_current_function_mode_stack() and self not in above:  # noqa: SLF001
            above.append(_overrides._pop_mode())  # noqa: SLF001
        for mode in reversed(above):
            if mode is not self:
                _overrides._push_mode(mode)  # noqa: SLF001

    def _run(self, function: Function, arguments: Sequence[Any]) -> Any:
        try:
            given = Arguments.of(function, arguments)
        except (TypeError, ValueError, IndexError):  # another version of PyTorch: what the module returns is recorded
            return function(*arguments)
        detached = given.detached()
        for call in self.calls:
            call.begin(detached)
        if given.layers > 1 and given.input.device.type in _COMPOSITE_DEVICES:
            return given.layer_by_layer(self._tap_layer)
        result = function(*arguments)
        for call in self.calls:
            if given.layers > 1:
                call.tap_whole(result)
            else:
                call.tap(given.time_first_input, result, batch_first=given.batch_first)
        return result

    def _tap_layer(self, inner: torch.Tensor, outputs: Sequence[torch.Tensor]) -> None:
        for call in self.calls:
            call.tap(inner, outputs)


class _Open(threading.local):
    """The calls that are being made, in each thread: torch.nn.DataParallel has one for each device."""

    def __init__(self) -> None:
        self.modes: list[_Intercept] = []

    @property
    def armed(self) -> bool:
        """Whether any is being made."""
        return bool(self.modes)

    def drop(self, clock: Clock, module: nn.Module | None = None) -> None:
        """Ends the calls of a clock, of all modules or of one, that an interruption has left open.

        Of a KeyboardInterrupt, as a notebook's stop button is one, no hook is told.
        """
        for mode in [mode for mode in self.modes if module is None or mode.module is module]:
            mode.calls = [call for call in mode.calls if call.clock is not clock]
            if not mode.calls:
                self.modes.remove(mode)
                mode.leave()


_open = _Open()


class FusedTap(Tap):
    """The hooks on a torch.nn.LSTM, GRU or RNN."""

    def __init__(self, module: nn.Module, layers: Sequence[Layer], clock: Clock, *, keep_inputs: bool) -> None:
        super().__init__(module, layers, clock)
        self._keep_inputs = keep_inputs

    def attach(self) -> None:
        """Puts the hooks on."""
        self.add_hook(self.module.register_forward_pre_hook, self._begin, self.clock)
        # Called after an exception too: the mode must not outlive the call.
        self.add_hook(self.module.register_forward_hook, self._end, _open, always_call=True)

    def detach(self) -> None:
        """Takes them off."""
        super().detach()
        _open.drop(self.clock)

    def _begin(self, module: nn.Module, _: object) -> None:
        _open.drop(self.clock, module)
        if not torch.is_grad_enabled():
            return
        if not _open.modes or _open.modes[-1].module is not module:
            mode = _Intercept(module)
            mode.__enter__()  # type: ignore[no-untyped-call]
            _open.modes.append(mode)
        _open.modes[-1].calls.append(_FusedCall(self.clock, module, keep_inputs=self._keep_inputs))

    def _end(self, module: nn.Module, _: object, result: Any) -> None:
        mode = _open.modes[-1]
        call = next((call for call in mode.calls if call.clock is self.clock), None)
        if mode.module is not module or call is None:
            return
        mode.calls.remove(call)
        if not mode.calls:
            _open.modes.pop()
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        if result is not None:  # no exception
            self._finish(call, module, result[0] if isinstance(result, tuple) else result)

    def _finish(self, call: _FusedCall, module: nn.Module, output: object) -> None:
        if isinstance(output, PackedSequence):
            call.unsorted = output.unsorted_indices
        elif not call.has_outputs and isinstance(output, torch.Tensor) and output.ndim == _SEQUENCE_RANK:
            call.tap(None, [output], batch_first=bool(module.batch_first))
            self.clock.notices.say(
                f"forward {self.layers[0].name}",
                f"{type(module).__name__} {self.layers[0].name!r} has a forward method of its own: its output is "
                "recorded, but neither its inner layers, the gradients of its last states, nor what goes on inside.",
            )
        if call.has_outputs:
            self.add(call)
