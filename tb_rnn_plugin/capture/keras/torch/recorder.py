"""Taps on the layers of a Keras model on PyTorch, and what they recorded as numpy arrays."""

import contextlib
import contextvars
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras.layers import Array, Part, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recorded_layer import DIFFERENTIATED
from tb_rnn_plugin.capture.keras.recorded_pass import Recording
from tb_rnn_plugin.capture.torch.passes import Passes

Optimizer: TypeAlias = Any
Variable: TypeAlias = Any
Tensors: TypeAlias = Mapping[Any, torch.Tensor]

#: The recorder of a pass of its own, while one is made: other taps on the same model are no part of it.
_alone: contextvars.ContextVar["Recorder | None"] = contextvars.ContextVar("_alone", default=None)


class Call:
    """One call of a tapped layer. Only the graph of its forward pass holds it, until a gradient arrives.

    Attributes:
        layer: The index of the layer.
        tap: The index of the tap.
        order: When it was made, among all calls.
        number: In which pass.
    """

    def __init__(self, layer: int, tap: int, order: int, number: int, kept: Tensors, passes: Passes) -> None:
        self.layer = layer
        self.tap = tap
        self.order = order
        self.number = number
        self._kept = kept
        self._passes = passes
        self._version = passes.version
        self._tensors: list[torch.Tensor] = []
        self._gradients: dict[int, torch.Tensor] = {}

    def through(self, outputs: keras_calls.Outputs, arrived: Callable[["Call", int, torch.Tensor], None]) -> Any:
        """What the call returned, in copies that are tapped: the output may be the very tensor that is a state too."""
        self._tensors = [tensor.detach() for tensor in outputs.tensors[: outputs.kept]]
        copies = [tensor.clone() for tensor in outputs.tensors]
        for index, copy in enumerate(copies):
            if copy.requires_grad:
                copy.register_hook(functools.partial(arrived, self, index))
        return outputs.replaced(copies)

    def add(self, index: int, gradient: torch.Tensor) -> bool:
        """Takes what arrived at one of its tensors; whether that is a gradient of the loss."""
        if not self._passes.counts():
            return False
        if self._version != self._passes.version:  # what arrived until now was no gradient of the loss
            self._version = self._passes.version
            self._gradients = {}
        before = self._gradients.get(index)
        # Of several backward passes through one forward pass the gradients add up, as those of the weights do.
        self._gradients[index] = gradient.detach() if before is None else before + gradient.detach()
        return True

    def part(self) -> dict[str, Array]:
        """What is recorded of it. Where the loss doesn't depend on a tensor, no gradient arrives: it is zero."""
        gradients = [self._gradients.get(i, torch.zeros_like(tensor)) for i, tensor in enumerate(self._tensors)]
        part = keras_calls.part(self._tensors, gradients) | dict(self._kept)
        if self._passes.are_differentiated and self._tensors:
            part[DIFFERENTIATED] = torch.ones((len(self._tensors[0]), 1), dtype=torch.bool)
        return arrays(part)


class Recorder:
    """Taps on the layers of a Keras model, and on the optimizer that is given the gradients."""

    nothing = "Call write after the backward pass"

    def __init__(
        self,
        layers: Sequence[RecordedLayer],
        *,
        optimizer: Optimizer | None = None,
        matrices: bool = True,
        keep_inputs: bool = False,
    ) -> None:
        """Makes the taps, which are not yet on.

        Args:
            layers: The layers of the Keras model to be recorded.
            optimizer: Whose `apply` gets the weight gradients; None where that isn't Keras's.
            matrices: Whether weights and their gradients are recorded.
            keep_inputs: Whether each layer's input, initial state and mask are kept too.
        """
        self.error: Exception | None = None
        self._layers = layers
        self._optimizer = optimizer
        self._matrices = matrices
        self._keep_inputs = keep_inputs
        self._overrides: list[Override] = []
        self._armed = False
        self._order = itertools.count()
        self._pass = 0
        self._calls: list[Call] = []  # those of the last pass that gradients came to
        self._weights: dict[int, Tensors] = {}  # by layer, what that pass computed with
        self._gradients: dict[int, torch.Tensor] | None = (
            None  # by the variable's id, what the optimizer was given then
        )
        self._scale: torch.Tensor | float | None = None

    def attach(self) -> None:
        """Puts a tap on every layer, and on the optimizer if there is one."""
        for index, layer in enumerate(self._layers):
            for tap, tapped in enumerate(layer.tapped):
                self._overrides.append(Override(tapped, "call", self._call_maker(index, tap)))
        if self._optimizer is not None and (self._matrices or keras_calls.loss_scale(self._optimizer) is not None):
            self._overrides.append(Override(self._optimizer, "apply", self._apply_maker))
            self._overrides.append(Override(self._optimizer, "scale_loss", self._scale_loss_maker))

    def detach(self) -> None:
        """Takes the taps off."""
        for override in reversed(self._overrides):
            override.undo()
        self._overrides = []

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass, and forgets what was recorded."""
        self._armed = armed
        self._pass += 1
        self._scale = None
        self._forget()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Puts the taps on for a pass of their own, in which no others record."""
        self.attach()
        self.arm(armed=True)
        token = _alone.set(self)
        try:
            yield
        finally:
            _alone.reset(token)
            self._armed = False
            self.detach()

    def take(self) -> Recording:
        """What was recorded since it was armed."""
        notices = [] if self.error is None else [f"some layers can't be tapped: {self.error!r}"]
        gradients = [self._gradients_of(layer) for layer in self._layers]
        trains = any(variable.trainable for layer in self._layers for variable in layer.variables.values())
        if self._calls and self._matrices and trains and not any(gradients):
            notices.append(
                "weight gradients are left out: optimizer.apply was not called between the backward pass and the "
                "write, and there is nothing in .grad of the parameters; with a Keras optimizer write after its apply, "
                "and pass it as optimizer=; with another one write before .grad is reset"
            )
        return Recording(
            calls=[self._calls_of(index) for index in range(len(self._layers))],
            weights=[self._weights_of(index) for index in range(len(self._layers))],
            weight_gradients=gradients,
            scale=1.0 if self._scale is None else float(self._scale),
            notices=notices,
        )

    def _forget(self) -> None:
        self._calls = []
        self._weights = {}
        self._gradients = None

    def _calls_of(self, index: int) -> list[tuple[Part, ...]]:
        """The calls of one layer in order, a part for each tap."""
        calls = sorted((call for call in self._calls if call.layer == index), key=lambda call: call.order)
        taps = range(len(self._layers[index].tapped))
        return list(zip(*[[call.part() for call in calls if call.tap == tap] for tap in taps], strict=False))

    def _weights_of(self, index: int) -> dict[tuple[str, str], Array]:
        if not self._matrices or not self._calls:
            return {}
        weights = self._weights.get(index)
        # Those that no gradient came to weren't updated: now is as good as then.
        return arrays(copies(keras_calls.weights(self._layers[index])) if weights is None else weights)

    def _gradients_of(self, layer: RecordedLayer) -> dict[tuple[str, str], Array]:
        if not self._matrices or not self._calls:
            return {}
        if self._gradients is not None:
            of_variables = {key: self._gradients.get(id(variable)) for key, variable in layer.variables.items()}
        else:  # another optimizer than Keras's takes them from where PyTorch puts them
            of_variables = {key: variable.value.grad for key, variable in layer.variables.items()}
        return arrays(copies({key: gradient for key, gradient in of_variables.items() if gradient is not None}))

    def _call_maker(self, index: int, tap: int) -> Callable[[Method], Method]:
        layer = self._layers[index]

        def make(call: Method) -> Method:
            signature = inspect.signature(call)

            # torch.compile sees whether it is time to record, and compiles both cases; recording is not for a graph.
            @torch.compiler.disable  # type: ignore[untyped-decorator]
            def kept(*args: Any, **kwargs: Any) -> Tensors:
                try:
                    if self._keep_inputs and layer.keeps_inputs:
                        return copies(keras_calls.inputs(layer.tapped[tap], signature.bind(*args, **kwargs).arguments))
                except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                    self.error = error
                return {}

            @torch.compiler.disable  # type: ignore[untyped-decorator]
            def through(returned: Any, kept: Tensors) -> Any:
                try:
                    outputs = keras_calls.Outputs.of(layer, returned)
                    if any(tensor.requires_grad for tensor in outputs.tensors):
                        passes = Passes(layer.tapped[tap])
                        call = Call(index, tap, next(self._order), self._pass_of_call(), kept, passes)
                        return call.through(outputs, self._arrived)
                except Exception as error:  # noqa: BLE001
                    self.error = error
                return returned

            def tapped(*args: Any, **kwargs: Any) -> Any:  # a Keras layer's call
                if not self._armed or _alone.get() not in {None, self}:
                    return call(*args, **kwargs)
                given = kept(*args, **kwargs)
                return through(call(*args, **kwargs), given)

            return tapped

        return make

    def _pass_of_call(self) -> int:
        """A call after a backward pass belongs to the next pass; but not one in it, which recomputes a forward pass."""
        # As torch.utils.checkpoint asks it.
        in_backward = torch._C._current_graph_task_id() != -1  # noqa: SLF001
        if self._calls and self._calls[-1].number == self._pass and not in_backward:
            self._pass += 1
        return self._pass

    def _arrived(self, call: Call, index: int, gradient: torch.Tensor) -> None:
        """A gradient came to a call: in the backward pass, before anything is updated."""
        try:
            if not self._armed or not call.add(index, gradient):
                return
            if self._calls and self._calls[-1].number < call.number:
                self._forget()
            if call not in self._calls and all(call.number == other.number for other in self._calls):
                self._calls.append(call)
                if self._matrices and call.layer not in self._weights:
                    self._weights[call.layer] = copies(keras_calls.weights(self._layers[call.layer]))
        except Exception as error:  # noqa: BLE001
            self.error = error

    def _apply_maker(self, apply: Method) -> Method:
        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def keep(grads: Sequence[torch.Tensor | None], trainable_variables: Sequence[Variable] | None) -> None:
            try:
                optimizer: Any = self._optimizer
                # What `apply` itself takes where it is given none.
                variables = optimizer._trainable_variables if trainable_variables is None else trainable_variables  # noqa: SLF001
                gradient_of = {id(variable): g for variable, g in zip(variables, grads, strict=True) if g is not None}
                ours = {id(variable) for layer in self._layers for variable in layer.variables.values()}
                self._gradients = copies({key: g for key, g in gradient_of.items() if key in ours})
                self._note_scale()  # now: this call may change it
            except Exception as error:  # noqa: BLE001
                self.error = error

        def tapped(grads: Sequence[torch.Tensor | None], trainable_variables: Sequence[Variable] | None = None) -> Any:
            if self._armed and self._calls:  # of a pass that was recorded
                keep(grads, trainable_variables)
            return apply(grads, trainable_variables)

        return tapped

    def _scale_loss_maker(self, scale_loss: Method) -> Method:
        """What the loss is multiplied by is known here too, for those who write before `apply`, or never call it."""

        def tapped(loss: torch.Tensor) -> torch.Tensor:
            if self._armed:
                self._note_scale()
            scaled: torch.Tensor = scale_loss(loss)
            return scaled

        return tapped

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _note_scale(self) -> None:
        scale = keras_calls.loss_scale(self._optimizer)
        self._scale = scale.detach().clone() if isinstance(scale, torch.Tensor) else scale


def arrays(tensors: Tensors) -> dict[Any, Array]:
    """As numpy arrays, numbers as float32: views of the tensors where they lie in this machine's memory."""
    return {key: _to_numpy(tensor) for key, tensor in tensors.items()}


def _to_numpy(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().to("cpu", tensor.dtype if tensor.dtype == torch.bool else torch.float32).numpy()
    return array


def copies(tensors: Tensors) -> dict[Any, torch.Tensor]:
    """The tensors as they are now, whatever becomes of them."""
    return {key: tensor.detach().clone() for key, tensor in tensors.items()}
