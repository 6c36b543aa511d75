"""Where taps on Flax modules leave what flows through them."""

import functools
import itertools
import math
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy as np

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.flax import calls
from tb_rnn_plugin.capture.flax.calls import OUTPUT, Arrived, Call, Kept
from tb_rnn_plugin.capture.flax.layers import Layer
from tb_rnn_plugin.capture.flax.records import Part, records
from tb_rnn_plugin.capture.flax.sample_order import Sample
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.derivation import left_out_of_all

if TYPE_CHECKING:
    from tb_rnn_plugin.capture.flax.taps import Tap

Module: TypeAlias = Any
Tracer: TypeAlias = Any

#: (index of the layer, direction, call)
Key: TypeAlias = tuple[int, str, int]


class Sink:
    """Where the taps of one model leave what they saw.

    The programs that JAX has compiled keep it alive, so it knows nothing of the model.
    """

    def __init__(self, derivation: Derivation) -> None:
        """Takes what is to be computed of recurrent layers."""
        self.recording = False
        self._derivation = derivation
        self._calls: dict[Key, Call] = {}  # in the order in which the model makes them
        self._arrived: dict[Key, tuple[Call, list[Sample]]] = {}
        self._begun: Counter[tuple[Key, int]] = Counter()  # of a key and a trace
        self._traces = itertools.count()
        self._weight_gradients: Mapping[tuple[int, str], Mapping[str, Sequence[Any]]] = {}
        self._said: set[str] = set()
        self._left_out: set[str] = set()
        self._seen: dict[int, tuple[weakref.ref[Any], int]] = {}

    def watch(
        self, tap: "Tap", module: Module, weights: Mapping[str, Sequence[Any]], output: Any, options: Mapping[str, Any]
    ) -> Any:
        """The output of a module, as it was, with the tap on it. Runs while JAX traces; never raises."""
        try:
            call, values, rebuild = calls.opened(tap.half, module, output, options)
            key = (tap.layer, tap.direction, self._call_index(module))
            self._calls[key] = call
            kept_samples = slice(self._derivation.samples) if self._derivation.quantities else None
            return rebuild(self.through(key, call, values, calls.kept(call, options, weights, kept_samples)))
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self.say(f"{tap.name} is left out: {error}.")
            return output

    def _call_index(self, module: Module) -> int:
        """JAX traces a pass on objects of its own: the calls of one object are the calls in one pass."""
        of, count = self._seen.get(id(module), (None, 0))
        if of is None or of() is not module:
            count = 0
        self._seen[id(module)] = (weakref.ref(module), count + 1)
        return count

    def through(self, key: Key, call: Call, values: Mapping[str, Tracer], kept: Kept) -> Mapping[str, Tracer]:
        """The values as they are; what their gradient carries back is stored on its way."""
        identity: Any = jax.custom_vjp(lambda values, _: values)
        trace = next(self._traces)
        begin = _unless_mapped(functools.partial(jax.debug.callback, functools.partial(self.begin_sample, key, trace)))

        def forward(values: Any, kept: Any) -> tuple[Any, Any]:
            if _is_unbatched(call, values[OUTPUT]):
                begin(jax.lax.stop_gradient(values[OUTPUT][:1, :1]))  # a part of it, or a scan would call back but once
            return values, (values[OUTPUT], kept)

        # JAX would call back for each sample of a vmap, in no order.
        keep: Any = jax.custom_batching.custom_vmap(
            functools.partial(jax.debug.callback, functools.partial(self.store, key, call, trace))
        )

        @keep.def_vmap  # type: ignore[untyped-decorator]
        def keep_all(size: int, mapped: Any, arrived: Arrived) -> tuple[None, None]:
            keep(arrived.of_all(call, size, mapped[0]))
            return None, None

        # A way back that is differentiated itself, as in a gradient penalty, is not that of the loss. (Without a rule
        # for its derivative this could not be differentiated at all.)
        keep_of_loss: Any = jax.custom_jvp(keep)
        keep_of_loss.defjvp(lambda *_: (None, None))

        def backward(residuals: Any, gradients: Any) -> tuple[Any, None]:
            output, kept = residuals
            keep_of_loss(Arrived.of(call, output, gradients, kept))
            return gradients, None

        identity.defvjp(forward, backward)
        passed: Mapping[str, Tracer] = identity(values, kept)
        return passed

    def store(self, key: Key, call: Call, trace: int, arrived: Arrived) -> None:
        """Called by the running program, of the call that it was compiled with: there may be others by now.

        Unbatched sequences are samples, which a loop runs over: all are kept.

        Args:
            key: Whose call it was.
            call: The call.
            trace: The number of the trace in which it was compiled.
            arrived: What it left behind.
        """
        if not self.recording:
            return
        sample = Sample(trace, self._begun.pop((key, trace), 0), arrived)
        of, before = self._arrived.get(key, (call, []))
        unbatched = _is_unbatched(call, arrived.output)
        keeps = unbatched and before and of == call and _shapes(before[0].arrived) == _shapes(arrived)
        self._arrived[key] = call, [*before, sample] if keeps else [sample]

    def begin_sample(self, key: Key, trace: int, _: Any) -> None:
        """Called by the running program, on its way forward through a call of an unbatched sequence."""
        if self.recording:
            self._begun[key, trace] += 1

    def store_weight_gradients(self, gradients: Mapping[tuple[int, str], Mapping[str, Sequence[Any]]]) -> None:
        """Called by the running program."""
        if self.recording:
            self._weight_gradients = gradients

    def clear(self) -> None:
        """Forgets what arrived."""
        self._arrived = {}
        self._begun.clear()
        self._weight_gradients = {}
        self._seen.clear()

    def take(self, layers: Sequence[Layer]) -> tuple[list[record.LayerRecord], list[str]]:
        """The records of what arrived, in the order of the model's calls, and the names of layers without any."""
        order = {layer: place for place, layer in reversed(list(enumerate(key[0] for key in self._calls)))}
        indexes = sorted(range(len(layers)), key=lambda index: order.get(index, math.inf))
        made: list[record.LayerRecord] = []
        missing = []
        reasons: dict[str, list[str]] = {}  # why nothing is computed, to the layers of which nothing is

        def leave_out(name: str, reason: str) -> None:
            if name not in self._left_out:
                self._left_out.add(name)
                reasons.setdefault(reason, []).append(name)

        for index in indexes:
            layer = layers[index]
            parts = {key[1:]: Part.of(*arrived) for key, arrived in self._arrived.items() if key[0] == index}
            gradients = {d: blocks for (i, d), blocks in self._weight_gradients.items() if i == index and blocks}
            try:
                of_layer = list(records(layer, parts, gradients, self._derivation, leave_out))
            except ValueError as error:
                self.say(f"{layer.name} is left out: {error}")
                continue
            made += of_layer
            if not of_layer:
                missing.append(layer.name)
        for reason, names in reasons.items():
            self.say(left_out_of_all(names, reason))
        self.clear()
        return made, missing

    def say(self, message: str) -> None:
        """Warns, once."""
        if message not in self._said:
            self._said.add(message)
            warnings.warn(f"rnn_summary: {message}", stacklevel=2)


def _is_unbatched(call: Call, output: Any) -> bool:
    """Whether this is one sequence by itself."""
    return bool(call.recurrent and output.ndim == 2)


def _unless_mapped(function: Callable[[Any], Any]) -> Any:
    """The function, which under jax.vmap, where all samples come at once, is not called."""
    made: Any = jax.custom_batching.custom_vmap(function)
    made.def_vmap(lambda *_: (None, None))
    return made


def _shapes(arrived: Arrived) -> Any:
    return jax.tree.map(np.shape, arrived)


class Probe(Sink):
    """In a pass of its own: what flows through layers before which nothing is to be learnt is recorded too."""

    def __init__(self, derivation: Derivation) -> None:
        super().__init__(derivation)
        self.recording = True
        self._zero: Tracer = None

    def begin(self, zero: Tracer) -> None:
        """Before each trace of the pass, of which the gradient is to be taken by `zero` too."""
        self.clear()
        self._zero = zero

    def through(self, key: Key, call: Call, values: Mapping[str, Tracer], kept: Kept) -> Mapping[str, Tracer]:
        """The values, which now depend on what the gradient is taken by."""
        return super().through(key, call, jax.tree.map(lambda a: a + self._zero.astype(a.dtype), dict(values)), kept)
