"""What is kept of one call of a torch.nn.LSTM, GRU or RNN, layer by layer, and how it becomes sequences."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from tb_rnn_plugin.capture.torch import taps as torch_taps
from tb_rnn_plugin.capture.torch.fused_function import Arguments
from tb_rnn_plugin.capture.torch.layers import Layer, RecurrentLayer
from tb_rnn_plugin.capture.torch.taps import Call, Clock, Gradient, Sequences
from tb_rnn_plugin.quantity_names import ACTIVATION, OUTPUT_GRADIENT


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


class FusedCall(Call):
    """One call of a recurrent module.

    Attributes:
        outputs: What is kept of each of its layers; None where nothing is.
        unsorted: Of packed sequences, the place of each sample in the sorted ones.
        failure: Why the call can't be recorded; "" where it can.
    """

    def __init__(self, clock: Clock, module: nn.Module, *, keep_inputs: bool) -> None:
        super().__init__(clock, module)
        self.outputs: list[_Output | None] = []
        self.unsorted: torch.Tensor | None = None
        self.failure = ""
        self._keep_inputs = keep_inputs
        self._arguments: Arguments | None = None
        self._whole: _Whole | None = None

    @property
    def has_outputs(self) -> bool:
        """Whether something is tapped."""
        return bool(self.outputs) or self._whole is not None

    def begin(self, given: Arguments, *, is_whole: bool) -> None:
        """Notes what the module calls its function with, and whether `tap_whole` gets what that returns."""
        self._arguments = given.copied() if is_whole or self._keep_inputs else given.detached()

    def tap_whole(self, result: Sequence[torch.Tensor]) -> None:
        """Taps what several layers return together."""
        if self._arguments is not None:
            self._whole = _Whole(self._arguments, self, result)

    def tap(self, input_: torch.Tensor | None, outputs: Sequence[torch.Tensor], *, batch_first: bool = False) -> None:
        """Taps a layer's output and last states."""
        gradient, *of_states = (Gradient(self).of(tensor) for tensor in outputs)
        kept = None
        if input_ is not None and self._arguments is not None and self._keep_inputs:
            # What goes from layer to layer is in nobody's hands, and needs no copy.
            kept = input_.detach() if self.outputs else self._arguments.time_first_input
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
            self.outputs = self._whole.outputs(self)
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
            return torch.full((samples,), timesteps, device="cpu")
        sizes = self._arguments.batch_sizes.cpu()
        lengths = (sizes[:, None] > torch.arange(samples, device="cpu")).sum(0)
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
            made[torch_taps.MASK] = torch.arange(timesteps, device="cpu") < lengths[:, None]
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

    def __init__(self, arguments: Arguments, call: FusedCall, result: Sequence[torch.Tensor]) -> None:
        self._arguments = arguments
        self._versions = _versions(arguments.weights)
        self._activation = call.copied(result[0], batch_first=arguments.batch_first)
        self._gradient, *self._state_gradients = (Gradient(call).of(tensor) for tensor in result)
        kind = arguments.input.device.type
        self._autocast = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    def outputs(self, call: FusedCall) -> list[_Output | None]:
        """All layers; where the others can't be computed once more, the last one, and None for them."""
        given = self._arguments
        of_top = self._states_of(given.layers - 1, call)
        top = _Output(None, self._activation, self._gradient, of_top, given.batch_first)
        if reason := self._why_not_once_more():
            call.clock.notices.say(
                reason,
                "of a recurrent module of several layers only the last layer's sequences are recorded on a GPU, "
                f"without its gates and gradient through time, where {reason}.",
            )
            return [*[None] * (given.layers - 1), top]
        seen: list[tuple[torch.Tensor, Sequence[torch.Tensor]]] = []
        kind, dtype, enabled = self._autocast
        with torch.enable_grad(), torch.autocast(kind, dtype, enabled=enabled):
            # cuDNN has a backward pass in training mode alone; nothing is dropped here.
            leaf = dataclasses.replace(given, input=given.input.detach().requires_grad_(), training=True, dropout=0.0)
            leaf.layer_by_layer(lambda inner, outputs: seen.append((inner, outputs)))
        none: Sequence[torch.Tensor | None] = [None] * given.layers
        gradients = self._backward([outputs for _, outputs in seen], call) if call.arrived else none
        made = [
            _Output(
                inner.detach(),
                call.copied(outputs[0], batch_first=False),
                Gradient(call, gradient),
                self._states_of(index, call),
            )
            for index, ((inner, outputs), gradient) in enumerate(zip(seen[:-1], gradients, strict=False))
        ]
        top.input = seen[-1][0].detach()
        return [*made, top]

    def _why_not_once_more(self) -> str:
        """Why the layers below the last one can't be computed as they were; "" where they can."""
        if self._arguments.drops_between:
            return "there is dropout between them, whose random numbers can't be repeated: make a module of each layer"
        if _versions(self._arguments.weights) != self._versions:
            return "the weights have changed since the forward pass: call write between backward and optimizer.step()"
        return ""

    def _states_of(self, index: int, call: FusedCall) -> list[Gradient]:
        count = self._arguments.directions
        return [
            Gradient(call, None if g.total is None else g.total[index * count : (index + 1) * count])
            for g in self._state_gradients
        ]

    def _backward(self, outputs: Sequence[Sequence[torch.Tensor]], call: FusedCall) -> Sequence[torch.Tensor | None]:
        """The gradients of the layers' outputs, from those that arrived."""
        ends: list[torch.Tensor] = []
        arrived: list[torch.Tensor] = []
        for index, (_, *states) in enumerate(outputs):
            for state, gradient in zip(states, self._states_of(index, call), strict=True):
                if gradient.total is not None:
                    ends.append(state)
                    arrived.append(gradient.total)
        if self._gradient.total is not None:
            total = self._gradient.total
            ends.append(outputs[-1][0])
            arrived.append(total.transpose(0, 1) if self._arguments.batch_first else total)
        inner = [of_layer[0] for of_layer in outputs[:-1]]
        return torch.autograd.grad(ends, inner, arrived, allow_unused=True)


def _versions(weights: Sequence[torch.Tensor]) -> list[int]:
    """What is another one after a change in place."""
    return [weight._version for weight in weights]  # noqa: SLF001  # there is no public way to it
