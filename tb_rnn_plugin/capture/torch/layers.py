"""One layer of a PyTorch model: its weights, their order, and how its output is laid out."""

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize

from tb_rnn_plugin import cells, record

Array = npt.NDArray[np.float32]
#: Direction to matrix name to the tensor, or for a recurrent layer's bias the two tensors, that it is made of.
Parameters = Mapping[str, Mapping[str, tuple[torch.Tensor, ...]]]

FRAMEWORK = "torch"

PROJECTION_KERNEL = "projection_kernel"

_SUFFIX = {cells.FORWARD: "", cells.BACKWARD: "_reverse"}
_HIGHEST_RANK = 5  # of a LayerRecord's matrices
_SEQUENCE_RANK = 3

# Modules of torch.nn that take (samples, channels, timesteps); those that may leave the samples out, and the others.
_CONVOLUTIONS = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.LPPool1d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveMaxPool1d,
    nn.InstanceNorm1d,
)
_CHANNELS_FIRST = (*_CONVOLUTIONS, nn.BatchNorm1d, nn.SyncBatchNorm, nn.GroupNorm)
#: Those that take sequences without samples too.
TRANSFORMERS = (
    nn.MultiheadAttention,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Wrapper:
    """The data-parallel wrapper that a layer is in.

    Attributes:
        group: The process group of a DistributedDataParallel; None in any other case.
        distributed: Whether it is a DistributedDataParallel.
    """

    group: Any = None
    distributed: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Layer(abc.ABC):
    """One layer.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        module: The module whose parameters it uses.
        wrapper: The data-parallel wrapper that it is in.
    """

    name: str
    module: nn.Module
    wrapper: Wrapper

    @property
    def cell(self) -> str | None:
        """The kind of a recurrent layer: "lstm", "gru" or "rnn"."""
        return None

    @property
    def units(self) -> int | None:
        """The width of one direction; for an LSTM with a projection, that of its cell state."""
        return None

    @property
    def projection(self) -> int | None:
        """The width of the projected hidden state, where there is one."""
        return None

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions it runs in."""
        return (cells.FORWARD,)

    @property
    def gates(self) -> tuple[str, ...]:
        """The blocks of its weights, in their order."""
        return ()

    @abc.abstractmethod
    def parameters(self) -> Parameters:
        """The tensors that its matrices are made of."""

    @abc.abstractmethod
    def matrix(self, tensors: Sequence[torch.Tensor], factor: float = 1.0) -> Array:
        """One of its matrices, or a gradient, in the orientation in which it is recorded; times `factor`; a copy."""

    @abc.abstractmethod
    def shape(self, tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:
        """The shape of `matrix`."""

    def weights(self) -> dict[str, dict[str, Array]]:
        """Direction to matrix name to a copy of it."""
        return {
            direction: {name: self.matrix(tensors) for name, tensors in matrices.items()}
            for direction, matrices in self.parameters().items()
        }

    def weight_gradients(
        self, gradient_of: Callable[[torch.Tensor], torch.Tensor | None], factor: float
    ) -> dict[str, dict[str, Array]]:
        """As `weights`, of the gradients that there are, times `factor`."""
        made: dict[str, dict[str, Array]] = {}
        for direction, matrices in self.parameters().items():
            for name, tensors in matrices.items():
                gradients = [gradient for tensor in tensors if (gradient := gradient_of(tensor)) is not None]
                if len(gradients) == len(tensors):
                    made.setdefault(direction, {})[name] = self.matrix(gradients, factor)
        return made

    def _tensors(self) -> Iterator[torch.Tensor]:
        for matrices in self.parameters().values():
            for tensors in matrices.values():
                yield from tensors

    @property
    def has_whole_weights(self) -> bool:
        """Whether its weights are parameters themselves, not computed from others as weight normalisation does."""
        return all(tensor.is_leaf for tensor in self._tensors())

    @property
    def is_trained(self) -> bool:
        """Whether any of its weights needs a gradient."""
        return any(tensor.requires_grad for tensor in self._tensors())


@dataclasses.dataclass(frozen=True, eq=False)
class RecurrentLayer(Layer):
    """A recurrent layer: a cell module, or one of the layers that a recurrent module runs one after the other.

    Its weights are recorded in Keras's orientation.

    Attributes:
        index: Which of the module's layers it is, from the input up; None for a cell.
        kind: "lstm", "gru" or "rnn".
    """

    index: int | None
    kind: str

    @property
    def cell(self) -> str:  # noqa: D102  # as its base says; so below
        return self.kind

    @property
    def units(self) -> int:  # noqa: D102
        return int(self._attribute("hidden_size"))

    @property
    def projection(self) -> int | None:  # noqa: D102
        return int(self._attribute("proj_size", 0)) or None

    @property
    def directions(self) -> tuple[str, ...]:  # noqa: D102
        return (cells.FORWARD, cells.BACKWARD) if self._attribute("bidirectional", False) else (cells.FORWARD,)

    @property
    def gates(self) -> tuple[str, ...]:  # noqa: D102
        return cells.TORCH_GATES[self.kind]

    def _attribute(self, name: str, *default: Any) -> Any:
        return getattr(self.module, name, *default)

    def parameters(self) -> Parameters:  # noqa: D102
        with _parametrizations_at_rest(self.module):
            return self._parameters()

    def _parameters(self) -> Parameters:
        made: dict[str, dict[str, tuple[torch.Tensor, ...]]] = {}
        for direction in self.directions:
            suffix = "" if self.index is None else f"_l{self.index}{_SUFFIX[direction]}"
            matrices: dict[str, tuple[torch.Tensor, ...]] = {
                record.KERNEL: (self._attribute(f"weight_ih{suffix}"),),
                record.RECURRENT_KERNEL: (self._attribute(f"weight_hh{suffix}"),),
            }
            if self.module.bias:
                matrices[record.BIAS] = (self._attribute(f"bias_ih{suffix}"), self._attribute(f"bias_hh{suffix}"))
            if self.projection:
                matrices[PROJECTION_KERNEL] = (self._attribute(f"weight_hr{suffix}"),)
            made[direction] = matrices
        return made

    def matrix(self, tensors: Sequence[torch.Tensor], factor: float = 1.0) -> Array:
        """A matrix transposed to Keras's orientation, or vectors as rows."""
        with torch.no_grad():
            matrix = torch.stack([t.detach() for t in tensors]) if tensors[0].ndim == 1 else tensors[0].detach().t()
            return as_array(matrix, factor)

    def shape(self, tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:  # noqa: D102
        first = tensors[0]
        return (len(tensors), len(first)) if first.ndim == 1 else (first.shape[1], first.shape[0])


@dataclasses.dataclass(frozen=True, eq=False)
class OtherLayer(Layer):
    """A module of any other kind: its weights as PyTorch has them, under their own names and in their own orientation.

    Attributes:
        time_first: Whether its output is (timesteps, samples, channels), as that of a MultiheadAttention is without
            batch_first=True; what can't be known is taken as (samples, timesteps, channels).
        whole: Whether the parameters of the modules inside it count as its own.
    """

    time_first: bool = False
    whole: bool = False

    def parameters(self) -> Parameters:
        """Its parameters under the names they have in the module, with "/" between the parts."""
        matrices = {name: (tensor,) for name, tensor in self._named().items() if not _why_left_out(tensor)}
        return {cells.FORWARD: matrices} if matrices else {}

    def left_out(self) -> dict[str, str]:
        """Parameter name to reason of those that can't be recorded."""
        return {name: reason for name, tensor in self._named().items() if (reason := _why_left_out(tensor))}

    def _named(self) -> dict[str, torch.Tensor]:
        named = self.module.named_parameters() if self.whole else own_parameters(self.module)
        return {name.replace(".", "/"): tensor for name, tensor in named}

    def matrix(self, tensors: Sequence[torch.Tensor], factor: float = 1.0) -> Array:  # noqa: D102
        (tensor,) = tensors
        return as_array(tensor.detach() if tensor.ndim else tensor.detach()[None], factor)

    def shape(self, tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:  # noqa: D102
        return tuple(tensors[0].shape) or (1,)

    def in_time(self, output: torch.Tensor) -> torch.Tensor:
        """An output of rank 2 or 3, or what arrives there, as (samples, timesteps, channels)."""
        if output.ndim < _SEQUENCE_RANK:
            if isinstance(self.module, _CONVOLUTIONS):
                return output.T[None]
            return output[None] if isinstance(self.module, TRANSFORMERS) else output[:, None]
        if isinstance(self.module, _CHANNELS_FIRST):
            return output.transpose(1, 2)
        return output.transpose(0, 1) if self.time_first else output


@contextlib.contextmanager
def _parametrizations_at_rest(module: nn.Module) -> Iterator[None]:
    """Lets weights be read that are computed when they are read.

    Those of torch.nn.utils.parametrizations.spectral_norm then come nearer to their norm, when training.
    """
    parts = module.get_submodule("parametrizations").modules() if parametrize.is_parametrized(module) else ()
    training = [part for part in parts if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def own_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of a module, without those of the layers inside it."""
    yield from module.named_parameters(recurse=False)
    for name, child in module.named_children():
        if is_part(module, child):
            yield from child.named_parameters(name)


def is_part(module: nn.Module, child: nn.Module) -> bool:
    """Whether a module inside another one is no layer of its own: it only holds parameters, or is never called."""
    if isinstance(module, nn.MultiheadAttention) or isinstance(child, nn.ParameterList | nn.ParameterDict):
        return True
    return parametrize.is_parametrized(module) and child is module.parametrizations


def _why_left_out(parameter: torch.Tensor) -> str:
    if not parameter.is_floating_point():
        return f"it is of {parameter.dtype}, no real numbers"
    if parameter.ndim > _HIGHEST_RANK or not parameter.numel():
        return f"its shape is {tuple(parameter.shape)}"
    return ""


def as_array(tensor: torch.Tensor, factor: float = 1.0, *, is_copy: bool = False) -> Array:
    """A read-only float32 copy in host memory. It is read-only so that a LayerRecord doesn't copy it again.

    Args:
        tensor: The tensor.
        factor: What it is multiplied by.
        is_copy: Whether nobody else has the tensor, so that it need not be copied where it can stay.
    """
    if is_copy and factor == 1.0 and tensor.device.type == "cpu" and tensor.dtype == torch.float32:
        kept: Array = tensor.detach().contiguous().numpy()
        kept.flags.writeable = False
        return kept
    with torch.no_grad():
        copy = torch.empty(tensor.shape, dtype=torch.float32, device="cpu")  # whatever the default device is
        copy.copy_(tensor.to_dense() if tensor.is_sparse else tensor)
        if factor != 1.0:
            copy *= factor
        array: Array = copy.numpy()
    array.flags.writeable = False
    return array
