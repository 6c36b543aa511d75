"""Where taps on Flax modules leave what flows through them, and in which shape it gets there."""

import functools
import math
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.flax import layers as flax_layers

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

    def __init__(self) -> None:
        self.recording = False
        self._calls: dict[Key, flax_layers.Call] = {}  # in the order in which the model makes them
        self._arrived: dict[Key, list[Any]] = {}
        self._weight_gradients: Mapping[tuple[int, str], Mapping[str, Sequence[Any]]] = {}
        self._said: set[str] = set()
        self._seen: dict[int, tuple[weakref.ref[Any], int]] = {}

    def watch(
        self, tap: "Tap", module: Module, weights: Mapping[str, Sequence[Any]], output: Any, options: Mapping[str, Any]
    ) -> Any:
        """The output of a module, as it was, with the tap on it. Runs while JAX traces; never raises."""
        try:
            call, values, rebuild = _opened(tap.half, module, output, options)
            key = (tap.layer, tap.direction, self._call_index(module))
            self._calls[key] = call
            lengths = options.get("seq_lengths") if call.recurrent else None
            return rebuild(self.through(key, values, lengths, weights))
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

    def through(
        self, key: Key, values: Mapping[str, Tracer], lengths: Tracer, weights: Mapping[str, Sequence[Tracer]]
    ) -> Mapping[str, Tracer]:
        """The values as they are; what their gradient carries back is stored on its way."""
        identity: Any = jax.custom_vjp(lambda values, _: values)
        call = self._calls[key]

        def forward(values: Any, kept: Any) -> tuple[Any, Any]:
            return values, (values["output"], kept)

        def backward(residuals: Any, gradients: Any) -> tuple[Any, None]:
            output, kept = residuals
            gradient, *state = [gradients[name] for name in ("output", "state") if name in gradients]
            scanned = (_as_scanned(call, output), _as_scanned(call, gradient), *(state or [None]))
            jax.debug.callback(functools.partial(self.store, key), (*scanned, *kept))
            return gradients, None

        identity.defvjp(forward, backward)
        passed: Mapping[str, Tracer] = identity(values, (lengths, weights))
        return passed

    def store(self, key: Key, arrived: Any) -> None:
        """Called by the running program. Unbatched sequences are samples, those of jax.vmap: all of a pass are kept."""
        if not self.recording:
            return
        before = self._arrived.get(key, [])
        unbatched = self._calls[key].recurrent and arrived[0].ndim == 2
        keeps = unbatched and before and before[0][0].shape == arrived[0].shape
        self._arrived[key] = [*before, arrived] if keeps else [arrived]

    def store_weight_gradients(self, gradients: Mapping[tuple[int, str], Mapping[str, Sequence[Any]]]) -> None:
        """Called by the running program."""
        if self.recording:
            self._weight_gradients = gradients

    def clear(self) -> None:
        """Forgets what arrived."""
        self._arrived = {}
        self._weight_gradients = {}
        self._seen.clear()

    def take(self, layers: Sequence[flax_layers.Layer]) -> tuple[list[record.LayerRecord], list[str]]:
        """The records of what arrived, in the order of the model's calls, and the names of layers without any."""
        order = {layer: place for place, layer in reversed(list(enumerate(key[0] for key in self._calls)))}
        indexes = sorted(range(len(layers)), key=lambda index: order.get(index, math.inf))
        made: list[record.LayerRecord] = []
        missing = []
        for index in indexes:
            layer = layers[index]
            parts = {key[1:]: _part(self._calls[key], a) for key, a in self._arrived.items() if key[0] == index}
            gradients = {d: blocks for (i, d), blocks in self._weight_gradients.items() if i == index and blocks}
            try:
                of_layer = list(flax_layers.records([(layer, parts, gradients)]))
            except ValueError as error:
                self.say(f"{layer.name} is left out: {error}")
                continue
            made += of_layer
            if not of_layer:
                missing.append(layer.name)
        self.clear()
        return made, missing

    def say(self, message: str) -> None:
        """Warns, once."""
        if message not in self._said:
            self._said.add(message)
            warnings.warn(f"rnn_summary: {message}", stacklevel=2)


class Probe(Sink):
    """In a pass of its own: the gradient of an output is that of a zero added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.recording = True
        self.kept: dict[Key, Any] = {}
        self._zeros: Mapping[Key, Tracer] = {}

    def store_call(self, key: Key, values: Any, gradients: Any, lengths: Any, weights: Any) -> None:
        """After the pass."""
        output, gradient = (_as_scanned(self._calls[key], of["output"]) for of in (values, gradients))
        self.store(key, (output, gradient, gradients.get("state"), lengths, weights))

    def begin(self, zeros: Mapping[Key, Tracer]) -> None:
        """Before each trace of the pass."""
        self.clear()
        self.kept = {}
        self._zeros = zeros

    def through(
        self, key: Key, values: Mapping[str, Tracer], lengths: Tracer, weights: Mapping[str, Sequence[Tracer]]
    ) -> Mapping[str, Tracer]:
        """Adds the zeros of which the gradients are asked."""
        self.kept[key] = (dict(values), lengths, weights)
        if key not in self._zeros:
            return values
        return {name: value + self._zeros[key][name] for name, value in values.items()}


def _as_scanned(call: flax_layers.Call, values: Tracer) -> Tracer:
    """The array as the scan over time made it, time first: XLA then undoes what Flax did to it, at no cost.

    Asking for it as Flax returns it would make XLA lay it out so in memory; what sums over it, such as a BatchNorm,
    would then add in another order, and training would differ in the last bit.
    """
    if not call.recurrent:
        return values
    values = jnp.moveaxis(values, 0 if call.time_major else values.ndim - 2, 0)
    return jnp.flip(values, 0) if call.turned_back else values


def _part(call: flax_layers.Call, arrived: Sequence[Any]) -> flax_layers.Part:
    *_, lengths, weights = arrived[-1]
    output, gradient, state_gradient = arrived[-1][:3]
    if len(arrived) > 1:
        output, gradient = (np.stack([each[i] for each in arrived], axis=1) for i in (0, 1))
        state_gradient, lengths = (
            None if arrived[0][i] is None else np.stack([each[i] for each in arrived]) for i in (2, 3)
        )
    return flax_layers.Part(call, output, gradient, state_gradient, lengths, weights)


def _opened(
    half: flax_layers.Half, module: Module, output: Any, options: Mapping[str, Any]
) -> tuple[flax_layers.Call, Mapping[str, Tracer], Callable[[Mapping[str, Tracer]], Any]]:
    """How the module was called, what of its output is tapped, and how the output is put together again.

    Raises:
        ValueError: If the output can't be recorded.
    """
    if not half.recurrent:
        first = output[0] if type(output) is tuple and output else output
        if getattr(first, "ndim", None) not in {2, 3}:
            raise ValueError(
                "its output is not (samples, timesteps, channels) but "
                f"{getattr(first, 'shape', type(first).__name__)}; record arrays of your own with LayerRecord"
            )
        call = flax_layers.Call(recurrent=False)
        if first is output:
            return call, {"output": first}, lambda values: values["output"]
        return call, {"output": first}, lambda values: (values["output"], *output[1:])

    def option(name: str) -> bool:
        given = options.get(name)
        return bool(getattr(module, name) if given is None else given)

    reverse = option("reverse")
    call = flax_layers.Call(
        recurrent=True,
        time_major=option("time_major"),
        turned_back=reverse and option("keep_order") and options.get("seq_lengths") is None,
        flipped=reverse and not (option("keep_order") and options.get("seq_lengths") is not None),
        last_first=reverse,
    )
    carry, sequence = output if option("return_carry") else (None, output)
    if getattr(sequence, "ndim", 0) < 2:
        raise ValueError(f"its output is not (…, timesteps, channels) but {getattr(sequence, 'shape', sequence)}")
    if half.cell is None and module.cell.num_feature_axes != 1:
        raise ValueError(f"the output of a {type(module.cell).__name__} has several axes of channels")
    if carry is None:
        return call, {"output": sequence}, lambda values: values["output"]
    if half.cell is None:
        return call, {"output": sequence}, lambda values: (carry, values["output"])
    if half.cell == "lstm":
        cell_state, state = carry
        return (
            call,
            {"output": sequence, "state": state},
            lambda values: ((cell_state, values["state"]), values["output"]),
        )
    return call, {"output": sequence, "state": carry}, lambda values: (values["state"], values["output"])
