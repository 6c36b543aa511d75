"""What torch.nn.LSTM, GRU and RNN call: one function for all timesteps, layers and directions."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

Function: TypeAlias = Callable[..., tuple[torch.Tensor, ...]]

_VF: Any = torch._VF  # noqa: SLF001  # torch.nn's recurrent modules have them from there
#: The functions.
FUNCTIONS: tuple[Function, ...] = (_VF.lstm, _VF.gru, _VF.rnn_tanh, _VF.rnn_relu)


@dataclasses.dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of a recurrent function, by their names.

    Attributes:
        function: The function.
        input: (timesteps, samples, channels), or samples first; of packed sequences their data.
        batch_sizes: How many packed sequences there are at each timestep; None where they aren't packed.
        states: h_0, and of an LSTM c_0: (layers x directions, samples, channels).
        weights: All tensors, layer by layer.
    """

    function: Function
    input: torch.Tensor
    batch_sizes: torch.Tensor | None
    states: tuple[torch.Tensor, ...]
    weights: Sequence[torch.Tensor]
    bias: bool
    layers: int
    dropout: float
    training: bool
    bidirectional: bool
    batch_first: bool

    @classmethod
    def of(cls, function: Function, arguments: Sequence[Any]) -> "Arguments":
        """Reads them in the two orders there are: with batch_sizes in the second place, or batch_first in the last."""
        packed = isinstance(arguments[3], list | tuple)
        input_, *rest = arguments if packed else arguments[:-1]
        batch_sizes = rest.pop(0) if packed else None
        states = rest.pop(0)
        states = (states,) if isinstance(states, torch.Tensor) else tuple(states)
        batch_first = not packed and bool(arguments[-1])
        weights, bias, layers, dropout, training, bidirectional = rest
        return cls(
            function, input_, batch_sizes, states, weights, bias, layers, dropout, training, bidirectional, batch_first
        )

    @property
    def directions(self) -> int:
        """How many directions there are."""
        return 2 if self.bidirectional else 1

    @property
    def drops_between(self) -> bool:
        """Whether there is dropout between the layers."""
        return self.training and self.dropout > 0 and self.layers > 1

    @property
    def time_first_input(self) -> torch.Tensor:
        """The input, with timesteps first or packed."""
        return self.input.transpose(0, 1) if self.batch_first else self.input

    def states_of(self, index: int) -> list[torch.Tensor]:
        """The initial states of one layer."""
        return [state[index * self.directions : (index + 1) * self.directions] for state in self.states]

    def one_layer(self, index: int, input_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The output and the last states of one layer, of an input with timesteps first or packed."""
        packed = () if self.batch_sizes is None else (self.batch_sizes,)
        batch_first = (False,) if self.batch_sizes is None else ()
        states = self.states_of(index)
        count = len(self.weights) // self.layers
        weights = self.weights[index * count : (index + 1) * count]
        options = (self.bias, 1, 0.0, self.training, self.bidirectional)
        return self.function(input_, *packed, states if len(states) > 1 else states[0], weights, *options, *batch_first)

    def layer_by_layer(self, see: Callable[[torch.Tensor, Sequence[torch.Tensor]], object]) -> tuple[torch.Tensor, ...]:
        """What the function returns, one layer after the other.

        On a CPU the function itself does the same: operations and random numbers of dropout, and so all results and
        gradients, are bitwise the same.

        Args:
            see: Gets the input of each layer, and its output and last states.
        """
        inner = self.time_first_input
        states = []
        for index in range(self.layers):
            output, *last = self.one_layer(index, inner)
            see(inner, [output, *last])
            states.append(last)
            drops = self.drops_between and index < self.layers - 1
            inner = torch.dropout(output, self.dropout, True) if drops else output
        output = inner.transpose(0, 1) if self.batch_first else inner
        return (output, *(torch.cat(of_layers) for of_layers in zip(*states, strict=True)))

    def detached(self) -> "Arguments":
        """The same tensors, outside of any graph."""
        return dataclasses.replace(
            self,
            input=self.input.detach(),
            states=tuple(state.detach() for state in self.states),
            weights=[weight.detach() for weight in self.weights],
        )

    def copied(self) -> "Arguments":
        """As `detached`, with copies of what a training loop may overwrite with its next batch: input and states."""
        made = self.detached()
        return dataclasses.replace(made, input=made.input.clone(), states=tuple(state.clone() for state in made.states))
