"""The recurrent layers of a PyTorch model: which there are, what they are called, where their weights are."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tb_rnn_plugin import cells, record
from tb_rnn_plugin.capture import layer_choice

Array = npt.NDArray[np.float32]

FRAMEWORK = "torch"

PROJECTION_KERNEL = "projection_kernel"

_KINDS = (("lstm", nn.LSTM | nn.LSTMCell), ("gru", nn.GRU | nn.GRUCell), ("rnn", nn.RNN | nn.RNNCell))
_SUFFIX = {cells.FORWARD: "", cells.BACKWARD: "_reverse"}


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
class Layer:
    """One recurrent layer: a cell module, or one of the layers that a recurrent module runs one after the other.

    Attributes:
        name: Its path in the model, with "/" between the parts.
        module: The module whose parameters it uses.
        index: Which of the module's layers it is, from the input up; None for a cell.
        cell: "lstm", "gru" or "rnn".
        wrapper: The data-parallel wrapper that it is in.
    """

    name: str
    module: nn.Module
    index: int | None
    cell: str
    wrapper: Wrapper

    @property
    def units(self) -> int:
        """The width of one direction; for an LSTM with a projection, that of its cell state."""
        return int(self._attribute("hidden_size"))

    @property
    def projection(self) -> int | None:
        """The width of the projected hidden state, where there is one."""
        return int(self._attribute("proj_size", 0)) or None

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions it runs in."""
        return (cells.FORWARD, cells.BACKWARD) if self._attribute("bidirectional", False) else (cells.FORWARD,)

    @property
    def gates(self) -> tuple[str, ...]:
        """The blocks of its weights, in their order."""
        return cells.TORCH_GATES[self.cell]

    def _attribute(self, name: str, *default: Any) -> Any:
        return getattr(self.module, name, *default)

    def parameters(self) -> dict[str, dict[str, tuple[torch.Tensor, ...]]]:
        """Direction to matrix name to the tensor, or for a bias the two tensors, that it is made of."""
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

    def weights(self) -> dict[str, dict[str, Array]]:
        """Direction to matrix name to a copy of it, in Keras's orientation."""
        return {
            direction: {name: as_matrix(tensors) for name, tensors in matrices.items()}
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
                    made.setdefault(direction, {})[name] = as_matrix(gradients, factor)
        return made

    @property
    def has_whole_weights(self) -> bool:
        """Whether its weights are parameters themselves, not computed from others as weight normalisation does."""
        return all(t.is_leaf for of in self.parameters().values() for tensors in of.values() for t in tensors)

    @property
    def is_trained(self) -> bool:
        """Whether any of its weights needs a gradient."""
        return any(t.requires_grad for of in self.parameters().values() for tensors in of.values() for t in tensors)


def as_matrix(tensors: Sequence[torch.Tensor], factor: float = 1.0) -> Array:
    """A matrix transposed to Keras's orientation, or vectors as rows; a copy."""
    with torch.no_grad():
        matrix = torch.stack([t.detach() for t in tensors]) if tensors[0].ndim == 1 else tensors[0].detach().t()
        return as_array(matrix, factor)


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
        copy = torch.empty(tensor.shape, dtype=torch.float32)
        copy.copy_(tensor.to_dense() if tensor.is_sparse else tensor)
        if factor != 1.0:
            copy *= factor
        array: Array = copy.numpy()
    array.flags.writeable = False
    return array


@dataclasses.dataclass(frozen=True)
class Description:
    """What will be recorded of one layer, or why it won't be.

    Attributes:
        name: The record's name.
        cell: "lstm", "gru" or "rnn".
        directions: The directions.
        gates: The blocks of its weights, in their order.
        units: The width of one direction.
        shapes: Direction to matrix name to its shape, in Keras's orientation.
        channels: How many channels its sequences have.
        weight_bytes: The size of its weights in one write, in float32; weight gradients take as much again.
        bytes_per_timestep: The size of one timestep of one sample in one write, activation and output gradient.
        left_out: Why it isn't recorded; "" if it is.
    """

    name: str
    cell: str | None = None
    directions: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    units: int | None = None
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]] = dataclasses.field(default_factory=dict)
    channels: int = 0
    weight_bytes: int = 0
    bytes_per_timestep: int = 0
    left_out: str = ""


def describe(model: nn.Module, layers: object = None) -> list[Description]:
    """What will be recorded of a model, in model order; layers that `layers` doesn't pick are described as left out.

    Raises:
        TypeError: If `model` isn't a torch.nn.Module, or `layers` is of the wrong type.
        ValueError: If `layers` picks a layer that doesn't exist.
    """
    check_model(model)
    found = _all(model)
    picked = {layer.name for layer in _picked(found, layers)} if found else set()
    made = [_description(layer, "" if layer.name in picked else "not in layers=") for layer in found]
    return made + [Description(name, left_out=reason) for name, reason in _unsupported(model)]


def _description(layer: Layer, left_out: str) -> Description:
    shapes = {
        direction: {
            name: (len(tensors), len(tensors[0]))
            if tensors[0].ndim == 1
            else (tensors[0].shape[1], tensors[0].shape[0])
            for name, tensors in matrices.items()
        }
        for direction, matrices in layer.parameters().items()
    }
    channels = (layer.projection or layer.units) * len(layer.directions)
    return Description(
        layer.name,
        layer.cell,
        layer.directions,
        layer.gates,
        layer.units,
        shapes,
        channels,
        weight_bytes=4 * sum(rows * columns for of in shapes.values() for rows, columns in of.values()),
        bytes_per_timestep=4 * 2 * channels,
        left_out=left_out,
    )


def check_model(model: object) -> None:
    """Checks the type of a model.

    Raises:
        TypeError: If it isn't a torch.nn.Module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}.")


def find(model: nn.Module, layers: object = None) -> list[Layer]:
    """The recurrent layers of `model` that `layers` picks, in model order.

    Args:
        model: A PyTorch model.
        layers: None or "*" for all; a layer's full name, or a part of one; an index among the recurrent layers; or a
            list of these.

    Raises:
        TypeError: If `model` isn't a torch.nn.Module, or `layers` is of the wrong type.
        ValueError: If there is no recurrent layer, or `layers` picks one that doesn't exist.
    """
    check_model(model)
    found = _all(model)
    if not found:
        reasons = "".join(f" {name}: {reason}." for name, reason in _unsupported(model))
        raise ValueError(
            f"model: {type(model).__name__} has no recurrent layer (torch.nn.LSTM, GRU, RNN, LSTMCell, GRUCell or "
            f"RNNCell).{reasons}"
        )
    return _picked(found, layers)


def _picked(found: list[Layer], layers: object) -> list[Layer]:
    return [found[index] for index in layer_choice.picked(layers, [layer.name for layer in found])]


def unwrapped(module: nn.Module) -> tuple[nn.Module, Wrapper]:
    """What is inside of wrappers for several devices and for torch.compile, and the data-parallel one of them."""
    wrapper = Wrapper()
    while True:
        if isinstance(module, nn.parallel.DistributedDataParallel):
            wrapper = Wrapper(module.process_group, distributed=True)
            module = module.module
        elif isinstance(module, nn.DataParallel):
            module = module.module
        elif "_orig_mod" in dict(module.named_children()):  # torch.compile's
            module = module.get_submodule("_orig_mod")
        else:
            return module, wrapper


def _all(model: nn.Module) -> list[Layer]:
    return list(_walk(model, (), Wrapper(), set()))


def _walk(module: nn.Module, path: tuple[str, ...], wrapper: Wrapper, seen: set[int]) -> Iterator[Layer]:
    module, own = unwrapped(module)
    wrapper = own if own.distributed else wrapper
    if id(module) in seen:
        return
    seen.add(id(module))
    cell = next((kind for kind, classes in _KINDS if isinstance(module, classes)), None)
    if cell is not None:
        name = "/".join(path) or type(module).__name__.lower()
        if not isinstance(module, nn.RNNBase):
            yield Layer(name, module, None, cell, wrapper)
        elif module.num_layers == 1:
            yield Layer(name, module, 0, cell, wrapper)
        else:
            for index in range(module.num_layers):
                yield Layer(f"{name}/layer_{index}", module, index, cell, wrapper)
        return
    for name, child in module.named_children():
        yield from _walk(child, (*path, name), wrapper, seen)


def _unsupported(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Recurrent layers that can't be recorded, with the reason."""
    for name, module in model.named_modules():
        kind = type(module).__name__
        if isinstance(module, torch.jit.ScriptModule) and "original_name" in dir(module):
            kind = str(module.original_name)
            if kind in {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}:
                yield (
                    name.replace(".", "/") or kind,
                    f"a {kind} of TorchScript takes no hooks; attach before torch.jit.script",
                )
        elif type(module).__module__.startswith("torch.ao.nn.quantized") and kind in {"LSTM", "GRU", "RNNBase"}:
            yield name.replace(".", "/") or kind, f"a quantised {kind} has no gradients; attach to the float model"
