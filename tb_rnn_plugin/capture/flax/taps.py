"""Flax nnx models: taps in the user's own backward pass, and captures of one batch.

Flax hands a model to jax.jit and jax.grad as a tree of arrays beside a description of its objects: their classes and
their static attributes. A tap is written into that description: the module's class becomes a subclass of it whose call
also records, and a static attribute says for whom. So JAX itself knows that a tapped model is another program than the
same model untapped, compiles both once, and between the steps that are written runs the very program that it would run
had nothing ever been attached.
"""

import copyreg
import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import jax
from flax import nnx

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.flax import layers as flax_layers
from tb_rnn_plugin.capture.flax.sink import Sink
from tb_rnn_plugin.capture.recurrences import Derivation

Module: TypeAlias = Any
Optimizer: TypeAlias = Any
Tracer: TypeAlias = Any


_TAPS = "_tb_rnn_plugin_taps"


@dataclasses.dataclass(frozen=True, eq=False)
class Tap:
    """On one module: part of the model's description, so it is compared by identity and holds no array."""

    sink: Sink
    layer: int
    direction: str
    name: str
    half: flax_layers.Half

    def weights(self, module: Module) -> dict[str, tuple[Tracer, ...]]:
        """What the module is about to compute with: a scan gives it other, equal ones."""
        try:
            return {
                matrix: tuple(jax.lax.stop_gradient(flax_layers.variable(module, path)[...]) for path in paths)
                for matrix, paths in self.half.parameters.items()
            }
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self.sink.say(f"the weights of {self.name} are left out: {error}.")
            return {}

    def __deepcopy__(self, memo: object) -> "Tap":
        return self


@dataclasses.dataclass(frozen=True, eq=False)
class OptimizerTap:
    """On an optimizer: stores the gradients that it is given."""

    sink: Sink
    halves: Mapping[tuple[int, str], flax_layers.Half]

    def __deepcopy__(self, memo: object) -> "OptimizerTap":
        return self

    def watch(self, optimizer: Optimizer, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Runs while JAX traces; never raises."""
        try:
            models: tuple[Any, ...] = (optimizer.model,) if isinstance(optimizer, nnx.ModelAndOptimizer) else ()
            model, gradients = (*models, *arguments, *(options[name] for name in ("grads",) if name in options))
            blocks = gradient_blocks(model, gradients, self.sink, self.halves)
            if not any(blocks.values()):
                self.sink.say("weight gradients are left out: the optimizer is given none of the recorded layers'.")
            # As keys of a tree they would have to be sorted: the names stay here, the arrays travel.
            keys = list(blocks)
            jax.debug.callback(
                lambda values: self.sink.store_weight_gradients(dict(zip(keys, values, strict=True))),
                list(blocks.values()),
            )
        except Exception as error:  # noqa: BLE001
            self.sink.say(f"weight gradients are left out: {error}.")


def gradient_blocks(
    model: Module,
    gradients: Any,
    sink: Sink,
    halves: Mapping[tuple[int, str], flax_layers.Half],
) -> dict[tuple[int, str], dict[str, tuple[Tracer, ...]]]:
    """The gradients of each tapped module of `model`; of `halves`, where `model` is a copy that isn't tapped."""
    # Parameters are told by identity: a shared one stands in the gradients once, under the first of its paths.
    paths = {id(node): path for path, node in nnx.iter_graph(model) if isinstance(node, nnx.Variable)}
    by_path = dict(nnx.to_flat_state(nnx.state(gradients)))
    modules = dict(nnx.iter_modules(model))
    tapped = {(tap.layer, tap.direction): (m, tap.half) for m in modules.values() for tap in _taps(m, sink)}
    for key, half in halves.items():
        if key not in tapped and half.path in modules:
            tapped[key] = (modules[half.path], half)
    blocks = {}
    for key, (module, half) in tapped.items():
        found = {
            matrix: [by_path.get(paths.get(id(flax_layers.variable(module, path)), ())) for path in matrix_paths]
            for matrix, matrix_paths in half.parameters.items()
        }
        blocks[key] = {
            matrix: tuple(nnx.as_pure(gradient) for gradient in found_gradients)
            for matrix, found_gradients in found.items()
            if all(gradient is not None for gradient in found_gradients)
        }
    return blocks


class FlaxTaps(taps.Taps):
    """Taps on the modules of an nnx model, and on its optimizer."""

    def __init__(
        self,
        model: Module,
        layers: Sequence[flax_layers.Layer],
        *,
        every: int,
        samples: int | None,
        optimizer: Optimizer,
        quantities: Collection[str] | None = None,
        bptt: bool = True,
    ) -> None:
        super().__init__(every=every, samples=samples, quantities=quantities, bptt=bptt)
        self._layers = layers
        self._sink = Sink(Derivation(quantities=self.derived, samples=samples))
        self._tapped: list[tuple[Any, Any]] = [(m, tap) for tap, m in taps_of(model, layers, self._sink)]
        if optimizer is not None and self.wants(record.WEIGHT_GRADIENTS):
            halves = {(tap.layer, tap.direction): tap.half for _, tap in self._tapped}
            self._tapped.append((optimizer, OptimizerTap(self._sink, halves)))
        self.arm(armed=True)

    def arm(self, *, armed: bool) -> None:  # noqa: D102  # as its base says; so below
        if armed and self._tapped and not self._sink.recording:
            wait()  # what a program that always records still has on its way belongs to an earlier step
            self._sink.clear()
        self._sink.recording = armed and bool(self._tapped)
        for owner, tap in self._tapped:
            (tap_on if armed else tap_off)(owner, tap)

    def take(self) -> list[record.LayerRecord]:  # noqa: D102
        if not self._tapped:
            return []
        wait()
        made, missing = self._sink.take(self._layers)
        if missing:
            self._sink.say(
                f"no backward pass came through {', '.join(missing)}. A model that was split (nnx.split, "
                "nnx.cached_partial, or closed over by a jitted function) before attach isn't tapped: attach first. A "
                "layer whose parameters and inputs need no gradient has none, and a backward pass that is "
                "differentiated itself, as for a penalty, is not recorded."
            )
        return made

    def detach(self) -> None:  # noqa: D102
        self.arm(armed=False)
        self._tapped = []
        self._sink.clear()


def wait() -> None:
    """Returns when everything that running programs have to store is stored."""
    barrier: Any = jax.effects_barrier
    barrier()


def taps_of(model: Module, layers: Sequence[flax_layers.Layer], sink: Sink) -> list[tuple[Tap, Module]]:
    """A tap for each half of each layer, and the module that it is for."""
    return [
        (Tap(sink, index, direction, layer.name, half), flax_layers.variable(model, half.path))
        for index, layer in enumerate(layers)
        for direction, half in layer.halves.items()
    ]


def _taps(owner: Any, sink: Sink | None = None) -> tuple[Any, ...]:
    return tuple(tap for tap in vars(owner).get(_TAPS, ()) if sink is None or tap.sink is sink)


# object's own __setattr__ throughout: Flax's would note the attribute, and the class, in the module's description.
def tap_on(owner: Any, tap: Any) -> None:
    """Puts a tap on a module or an optimizer, once."""
    present = _taps(owner)
    if tap in present:
        return
    if not present:
        own_class: Any = type(owner)
        object.__setattr__(owner, "__class__", _tapped_class(own_class))
    object.__setattr__(owner, _TAPS, (*present, tap))


def tap_off(owner: Any, tap: Any) -> None:
    """Takes a tap off; without any the owner is of its own class again."""
    remaining = tuple(other for other in _taps(owner) if other is not tap)
    if remaining:
        object.__setattr__(owner, _TAPS, remaining)
    elif _TAPS in vars(owner):
        object.__delattr__(owner, _TAPS)
        object.__setattr__(owner, "__class__", type(owner).__mro__[1])


def untap_all(model: Module) -> None:
    """Takes all taps off the modules of a model."""
    for _, module in list(nnx.iter_modules(model)):
        for tap in _taps(module):
            tap_off(module, tap)


class _TappedMeta(type(nnx.Module)):  # type: ignore[misc]
    """The class of tapped classes, by which pickle knows them."""


def _unchanged(cls: Any) -> Any:
    return cls


# A tapped class is pickled as the class that it taps, so that what is loaded is the model alone.
copyreg.pickle(_TappedMeta, lambda cls: (_unchanged, (cls.__mro__[1],)))


@functools.cache
def _tapped_class(base: Any) -> Any:
    """A subclass that is `base` in all but what its call, or an optimizer's update, also does."""

    def call(self: Module, *arguments: Any, **options: Any) -> Any:
        watching = [(tap, tap.weights(self)) for tap in _taps(self)]
        output = base.__call__(self, *arguments, **options)
        named = {"inputs": arguments[0], **options} if arguments else options
        for tap, weights in watching:
            output = tap.sink.watch(tap, self, weights, output, named)
        return output

    def update(self: Optimizer, *arguments: Any, **options: Any) -> Any:
        for tap in _taps(self):
            tap.watch(self, arguments, options)
        return base.update(self, *arguments, **options)

    def state(self: Any) -> dict[str, Any]:
        attributes: dict[str, Any] = base.__getstate__(self)
        return {name: value for name, value in attributes.items() if name != _TAPS}

    own: dict[str, Any] = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__getstate__": state}
    if issubclass(base, nnx.Optimizer):
        own["update"] = functools.wraps(base.update)(update)
    else:
        own["__call__"] = functools.wraps(base.__call__)(call)
    return _TappedMeta(base.__name__, (base,), own, pytree=base._pytree__is_pytree)  # noqa: SLF001
