"""Where the programs that JAX compiled leave what flows through the taps on a Keras model."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
from jax.extend.core import get_opaque_trace_state

from tb_rnn_plugin.capture.keras import calls as keras_calls

Tracer: TypeAlias = Any
# JAX sorts what travels as a dictionary: below, names stay behind, and arrays travel in their order.
#: JAX's arrays by name.
Tensors: TypeAlias = Mapping[Any, Any]
#: JAX's arrays by (index of the layer, direction, matrix name).
Matrices: TypeAlias = Mapping[tuple[int, str, str], Any]

Names: TypeAlias = tuple[Any, ...]
#: (index of the layer, index of the tap, order among all calls)
Key: TypeAlias = tuple[int, int, int]


class Applied(NamedTuple):
    """What an optimizer was given.

    Attributes:
        gradients: Of the weights, before clipping, and still scaled.
        weights: Before the update; of the layers that no gradient reached.
        scale: By what the loss was multiplied; None where that doesn't change.
    """

    gradients: Matrices
    weights: Matrices
    scale: Any


class Sink:
    """What running programs sent, by the calls that were traced.

    JAX traces a call once and runs it many times, so a call is numbered while it is traced, and what it sends takes the
    place of what it sent before. Compiled programs keep a sink alive: it knows nothing of the model.
    """

    def __init__(self) -> None:
        self.recording = False
        self.error: Exception | None = None
        self._order = itertools.count()
        self._pass = 0  # the one whose calls are traced at the moment
        self._backward: object = None  # where its backward pass is traced, once it is
        self._reached: set[int] = set()  # the layers that are in it
        self._arrived: dict[int, dict[Key, tuple[Tensors, Tensors]]] = {}
        self._applied: tuple[int | None, Applied | None] = (None, None)

    def through(
        self, tap: tuple[int, int], outputs: keras_calls.Outputs, kept: Tensors, weights: Tensors, *, is_scan: bool
    ) -> Any:
        """What a call returned, as it is; its gradient, on its way back, is sent with it. Runs while JAX traces.

        Everything is sent in the backward pass: a pass without one, as in validation, leaves what was recorded alone.

        Args:
            tap: The index of the layer, and that of the tap on it.
            outputs: What the call returned.
            kept: What else is sent, by name.
            weights: What the call computed with.
            is_scan: Whether a scan over time made these; they are then sent as `scanned` has them.
        """
        if self._backward is not None:  # a call after a backward pass belongs to the next pass
            self._pass += 1
            self._backward = None
            self._reached = set()
        number, key, count = self._pass, (*tap, next(self._order)), outputs.kept
        names, matrices = tuple(kept), tuple(weights)
        identity: Any = jax.custom_vjp(lambda tensors, _: tensors)

        def forward(tensors: Sequence[Tracer], extra: Any) -> tuple[Any, Any]:
            return tensors, (tensors[:count], extra)

        def backward(residuals: Any, gradients: Sequence[Tracer]) -> tuple[Any, None]:
            try:
                if number == self._pass:
                    self._backward = _program()
                    self._reached.add(tap[0])
                tensors, (kept, weights) = residuals
                part = keras_calls.part(tensors, gradients[:count]) | dict(zip(names, kept, strict=True))
                arrive = functools.partial(self._arrive, number, key, tuple(part), matrices)
                values = tuple(scanned(tensor) if is_scan else tensor for tensor in part.values())
                jax.debug.callback(arrive, values, weights)
            except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                self.error = error
            return gradients, None

        identity.defvjp(forward, backward)
        return outputs.replaced(identity(outputs.tensors, (tuple(kept.values()), tuple(weights.values()))))

    def apply(self, gradients: Matrices, weights: Matrices, scale: Any) -> None:
        """Sends what the optimizer is given. Runs while JAX traces.

        In the program that computed the gradients it belongs to these; in one of its own, to the pass made before.

        Args:
            gradients: By (index of the layer, direction, matrix name).
            weights: In the same way; sent of those layers alone that the gradient didn't reach.
            scale: By what the loss was multiplied, or None.
        """
        same_program = self._backward is not None and self._backward == _program()
        weights = {key: tensor for key, tensor in weights.items() if key[0] not in self._reached}
        given = (tuple(gradients.values()), tuple(weights.values()), scale)
        if not any(isinstance(tensor, jax.core.Tracer) for tensor in jax.tree.leaves(given)):
            wait()  # this one runs now: what was sent before it has to be here
        names = (tuple(gradients), tuple(weights))
        jax.debug.callback(functools.partial(self._apply, self._pass if same_program else None, names), given)

    def clear(self) -> None:
        """Forgets what was sent."""
        self._arrived = {}
        self._applied = (None, None)

    def take(self) -> tuple[dict[Key, tuple[Tensors, Tensors]], Applied | None]:
        """The part and the weights of each call of the last pass, and what the optimizer was given then, if it was."""
        if not self._arrived:
            return {}, None
        last = max(self._arrived)
        number, applied = self._applied
        return self._arrived[last], applied if number in {None, last} else None

    def _arrive(
        self, number: int, key: Key, names: Names, matrices: Names, part: Sequence[Any], weights: Sequence[Any]
    ) -> None:
        """Called by the running program."""
        if self.recording:
            by_name = dict(zip(names, part, strict=True)), dict(zip(matrices, weights, strict=True))
            self._arrived.setdefault(number, {})[key] = by_name

    def _apply(self, number: int | None, names: tuple[Names, Names], given: tuple[Any, Any, Any]) -> None:
        """Called by the running program. What one program sends comes in any order."""
        if self.recording and (number is not None or self._arrived):
            gradients, weights = (dict(zip(of, values, strict=True)) for of, values in zip(names, given, strict=False))
            self._applied = (number, Applied(gradients, weights, given[-1]))


def scanned(values: Any) -> Any:  # an array of JAX or numpy
    """Time first, as a scan over time takes and makes sequences; and back again.

    XLA then undoes what Keras did to them, at no cost. Asking for them as Keras returns them would make XLA lay them
    out so in memory: what sums over them, such as a BatchNormalization, would then add in another order, and training
    would differ in the last bit.
    """
    return values.swapaxes(0, 1) if values.ndim > 2 else values


def _program() -> object:
    """Which program is traced at the moment, or that none is."""
    state: Any = get_opaque_trace_state
    return state()


def wait() -> None:
    """Returns when everything that running programs have to send is here."""
    barrier: Any = jax.effects_barrier
    barrier()
