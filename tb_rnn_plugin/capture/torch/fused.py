"""Taps on torch.nn.LSTM, GRU and RNN: on every layer of a module, whose forward pass is a single function."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn, overrides
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from tb_rnn_plugin.capture.torch.fused_call import FusedCall
from tb_rnn_plugin.capture.torch.fused_function import FUNCTIONS, Arguments, Function
from tb_rnn_plugin.capture.torch.layers import Layer
from tb_rnn_plugin.capture.torch.taps import Clock, Tap

_overrides: Any = overrides  # there is no public way to the stack of modes
_SEQUENCE_RANK = 3
# Where a recurrent function is made of functions for one layer each.
_COMPOSITE_DEVICES: tuple[str, ...] = ("cpu",)


class _Intercept(TorchFunctionMode):
    """One call of a module, whose recurrent function is run here.

    Attributes:
        module: The module.
        calls: What is kept of the call, for each of the taps on the module.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.calls: list[FusedCall] = []
        self._has_run = False

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What PyTorch calls in place of each of its functions."""
        if func in FUNCTIONS and not kwargs and not self._has_run:
            self._has_run = True
            return self._run(func, args)
        return func(*args, **(kwargs or {}))

    def leave(self) -> None:
        """Takes the mode off the stack of modes, wherever it lies: others may have been entered since."""
        above: list[TorchFunctionMode] = []
        while _overrides._get_current_function_mode_stack() and self not in above:  # noqa: SLF001
            above.append(_overrides._pop_mode())  # noqa: SLF001
        for mode in reversed(above):
            if mode is not self:
                _overrides._push_mode(mode)  # noqa: SLF001

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _run(self, function: Function, arguments: Sequence[Any]) -> Any:
        try:
            given = Arguments.of(function, arguments)
        except (TypeError, ValueError, IndexError):  # another version of PyTorch: what the module returns is recorded
            return function(*arguments)
        is_whole = given.layers > 1 and given.input.device.type not in _COMPOSITE_DEVICES
        self._of_each(lambda call: call.begin(given, is_whole=is_whole))
        if given.layers > 1 and not is_whole:
            return given.layer_by_layer(lambda inner, outputs: self._of_each(lambda call: call.tap(inner, outputs)))
        result = function(*arguments)
        if is_whole:
            self._of_each(lambda call: call.tap_whole(result))
        else:
            inner = given.time_first_input
            self._of_each(lambda call: call.tap(inner, result, batch_first=given.batch_first))
        return result

    def _of_each(self, keep: Callable[[FusedCall], None]) -> None:
        """Lets no exception of ours, as where memory is short, into the module's own call."""
        for call in self.calls:
            try:
                if not call.failure:
                    keep(call)
            except Exception as error:  # noqa: BLE001  # training is worth more than its log
                call.failure = repr(error)


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
        if not self.note_call():
            return
        if not _open.modes or _open.modes[-1].module is not module:
            mode = _Intercept(module)
            mode.__enter__()  # type: ignore[no-untyped-call]
            _open.modes.append(mode)
        _open.modes[-1].calls.append(FusedCall(self.clock, module, keep_inputs=self._keep_inputs))

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

    def _finish(self, call: FusedCall, module: nn.Module, output: object) -> None:
        if call.failure:
            self.fail(call.failure)
            return
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
