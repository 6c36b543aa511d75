"""Taps on Keras layers whose backend is TensorFlow: in eager loops, tf.function and fit, with XLA and without."""

import functools
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import taps
from tb_rnn_plugin.capture.keras import layers as keras_layers
from tb_rnn_plugin.capture.keras.layers import Array, Layer, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recompiling import on_compile
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.keras.shared_layers import Claim
from tb_rnn_plugin.capture.keras.tensorflow.own_pass import FixedPass
from tb_rnn_plugin.capture.keras.tensorflow.recorder import Calls, Recorder, release
from tb_rnn_plugin.capture.keras.tensorflow.replicas import (
    copies,
    joined,
    joined_records,
    strategy_of,
    summed,
    tf_variable,
)
from tb_rnn_plugin.capture.keras.tensorflow.scale import current_scale, divided, loss_scale, unscaled
from tb_rnn_plugin.capture.keras.tensorflow.store import Store, to_numpy
from tb_rnn_plugin.capture.keras.tensorflow.workers import Workers
from tb_rnn_plugin.capture.recurrences import Derivation

__all__ = ["END_OF_DATA", "FixedPass", "TensorFlowTaps", "make_taps"]

#: What a training function raises where an epoch ends, if its length wasn't known.
END_OF_DATA = (StopIteration, tf.errors.OutOfRangeError)

Tensor: TypeAlias = Any
Optimizer: TypeAlias = Any

_LOSS_SCALE = "loss_scale"
_WEIGHT = "weight/"
_GRADIENT = "gradient/"


class TensorFlowTaps(taps.Taps):
    """Taps on the recurrent layers of a Keras model, in the user's own training step."""

    #: The method of the optimizer that is given the gradients.
    apply_name = "apply"
    recorder_class = Recorder

    def __init__(
        self,
        model: Layer,
        layers: Sequence[RecordedLayer],
        *,
        every: int,
        samples: int | None,
        optimizer: Optimizer | None = None,
        quantities: Collection[str] | None = None,
        keep_inputs: bool = False,
        bptt: bool = True,
    ) -> None:
        """Attaches the taps; the first pass is recorded.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            every: How often is written.
            samples: Of how many samples the arrays are kept.
            optimizer: Whose `apply` gets the weight gradients; None where it isn't known.
            quantities: What is recorded; None: everything.
            keep_inputs: Whether each layer's input, initial state and mask are kept too, in `inputs`.
            bptt: Whether what follows from the recurrence is computed.

        Raises:
            ValueError: If the model is trained with a strategy of tf.distribute that can't be recorded.
        """
        super().__init__(every=every, samples=samples, quantities=quantities, bptt=bptt)
        self._said: set[str] = set()
        self._workers = Workers.of(strategy_of(model), self._say)
        #: What the recorded calls were given, by record name, if `keep_inputs`.
        self.inputs: dict[str, dict[str, Array]] = {}
        self._model = model
        self._layers = layers
        self._optimizer = optimizer
        self._keep_inputs = keep_inputs
        self._variables = list({id(v): v for layer in layers for v in layer.variables.values()}.values())
        self._stashes: list[Store] = []
        # Weights that a graph keeps must be copied to be updated, in every step: they are read before it if possible.
        self._weights_before: dict[str, Array] = {}
        self._attached = True
        self._functions = {name: getattr(model, name, None) for name in ("test_function", "predict_function")}
        self._recurrences = Recurrences(layers, Derivation(quantities=self.derived, samples=samples))
        self._recorder = self.recorder_class(layers, keep_inputs=keep_inputs or self._recurrences.wanted)
        self._claim = Claim(model, layers)  # which may warn, and so raise: nothing is on the model yet
        self._recorder.attach()
        self._wants_matrices = self.wants(*record.MATRIX_QUANTITIES) or self._recurrences.wanted
        self.before_pass = self._read_weights if self._wants_matrices else None
        self._applies: list[Override] = []
        self._tap_optimizers()
        self._compile = on_compile(model, optimizer, self._train_with)
        _make_function_anew(model, "train_function")
        self.arm(armed=True)

    @property
    def armed(self) -> bool:
        """Whether the next pass is recorded."""
        return self._recorder.armed

    def arm(self, *, armed: bool) -> None:
        """Turns recording on or off, beginning with the next forward pass."""
        if not self._attached:
            return
        self._recorder.arm(armed=armed)
        release(self._stashes)

    def _read_weights(self) -> None:
        self._weights_before = {
            f"{_WEIGHT}{index}": to_numpy(copies(variable)[0]).copy()
            for index, variable in enumerate(self._all_variables())
        }

    def collect(self, step: int) -> list[record.LayerRecord]:
        """As `Taps.collect`; in all workers but the chief of a MultiWorkerMirroredStrategy, nothing to write."""
        if self._workers is None:
            return super().collect(step)
        due = self.schedule.is_due(step)
        records = self._wanted(self._workers.together(step, self.take())) if due else []
        # Whether there was anything or not: all workers have to record at the same steps.
        self.arm(armed=self.schedule.advance(step, written=due))
        return records

    def take(self) -> list[record.LayerRecord]:
        """The records of what was recorded since the last call, in model order; empty when no backward pass was.

        Of all replicas in this process: their samples one after the other, and the sum of their weight gradients.
        """
        if not self._attached:
            return []
        try:
            return self._take()
        except Exception as error:  # noqa: BLE001  # training is worth more than its log
            self._say(f"a step could not be recorded: {error!r}")
            return []

    def _take(self) -> list[record.LayerRecord]:
        if self._recorder.error is not None:
            self._say(f"some layers can't be tapped: {self._recorder.error!r}")
        taken = self._recorder.take()
        if taken is None:  # the next step is recorded instead
            return []
        if not taken:
            if self._recorder.armed:
                self._say(
                    "nothing was recorded: no backward pass went through the layers. If the training step is "
                    "a tf.function, attach before it is called for the first time; the GradientTape has to be in the "
                    "same tf.function as the model"
                )
            return []
        self._say_missing(taken[0])
        stash = self._read_stash() if self._applies else {}
        passes = self._passes(taken, stash)
        keeps = self._keep_inputs or self._recurrences.wanted
        inputs = joined([made.inputs(self._layers) for made in passes]) if keeps else {}
        self.inputs = inputs if self._keep_inputs else {}
        self.arm(armed=self._recorder.armed)  # what was taken is gone
        return self._recurrences.added(joined_records([made.records(self._layers) for made in passes]), inputs)

    def detach(self) -> None:
        """Takes the taps off; the model is as it was before."""
        if not self._attached:
            return
        self.arm(armed=False)
        self._attached = False
        self._recorder.detach()
        self._claim.release()
        for override in self._applies:
            override.undo()
        if self._compile is not None:
            self._compile.undo()
        _make_function_anew(self._model, "train_function")
        for name, function in self._functions.items():
            if getattr(self._model, name, None) is not function:
                _make_function_anew(self._model, name)

    def _optimizers(self) -> list[Optimizer]:
        """The one that is given, and those that a model with a training step of its own holds beside it."""
        found = [self._optimizer, *vars(self._model).values()]
        return list({id(o): o for o in found if hasattr(o, self.apply_name) and hasattr(o, "iterations")}.values())

    def _tap_optimizers(self) -> None:
        """Puts taps on the optimizers of now, and takes those off that were on others before."""
        for override in self._applies:
            override.undo()
        # A loss scale is known for sure only while it is applied: the same call may change it.
        self._applies = [
            Override(each, self.apply_name, functools.partial(self._apply_maker, each))
            for each in self._optimizers()
            if self._wants_matrices or loss_scale(each) is not None
        ]

    def _train_with(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._tap_optimizers()

    def _apply_maker(self, optimizer: Optimizer, apply: Method) -> Method:
        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def tapped(grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> Any:
            try:
                if self._attached:
                    self._keep_weights(optimizer, grads, trainable_variables)
            except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                self._recorder.error = error
            return apply(grads, trainable_variables)

        return tapped  # type: ignore[no-any-return]

    def _keep_weights(
        self, optimizer: Optimizer, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None
    ) -> None:
        """Keeps weights and their gradients before the update; only those of a pass that was recorded."""
        if trainable_variables is None:
            trainable_variables = optimizer._trainable_variables  # noqa: SLF001  # what `apply` itself takes then
        variables = trainable_variables or ()
        gradient_of = {id(tf_variable(variable)): g for variable, g in zip(variables, grads, strict=True)}
        tensors: dict[str, Tensor] = {}
        for index, variable in enumerate(self._all_variables() if self._wants_matrices else ()):
            gradient = gradient_of.get(id(tf_variable(variable)))
            if gradient is not None:
                if self._recorder.is_first_replica and not self.passes_told:
                    tensors[f"{_WEIGHT}{index}"] = tf_variable(variable)
                tensors[f"{_GRADIENT}{index}"] = tf.convert_to_tensor(gradient)
        scale = loss_scale(optimizer)
        if scale is not None:
            tensors[_LOSS_SCALE] = tf.convert_to_tensor(scale)
        if not tensors:
            return
        stash = Store(len(self._stashes), self._recorder.passes, self._stashes)
        stash.keep(tensors, counted=False)
        self._let_go_before(stash)
        if stash.used:
            self._stashes.append(stash)

    def _let_go_before(self, stash: Store) -> None:
        """Forgets an eager step that nobody wrote, which is over where its weights are updated again.

        One in a graph gives way to the next by itself.
        """
        over = [
            before
            for before in self._stashes
            if before.held
            and before.held <= stash.held
            and before.replica == stash.replica
            and before.held_since < stash.held_since
        ]
        index_of = self._indexes() if over else {}
        for before in over:
            self._stashes.remove(before)
            for layer_index, layer in enumerate(self._layers):
                if any(f"{_GRADIENT}{index_of[id(variable)]}" in before.held for variable in layer.variables.values()):
                    self._recorder.let_go(layer_index, before)

    def _all_variables(self) -> list[Any]:
        """The variables of the layers, once each; later ones at the end, so that an index keeps its meaning."""
        known = {id(variable) for variable in self._variables}
        for layer in self._layers:
            for variable in layer.variables.values():
                if id(variable) not in known:
                    known.add(id(variable))
                    self._variables.append(variable)
        return self._variables

    def _indexes(self) -> dict[int, int]:
        """Where each variable stands among all, by its id."""
        return {id(variable): index for index, variable in enumerate(self._all_variables())}

    def _read_stash(self) -> dict[str, Array]:
        """What was kept of the weights; their gradients summed over replicas, as the optimizer sums them."""
        of_replica: dict[int, dict[str, Array]] = {}
        for store in self._stashes:
            if store.is_filled:
                of_replica.setdefault(store.replica, {}).update(store.read() or {})
        stash = {name: array for of in of_replica.values() for name, array in of.items()}
        stash |= summed({n: a for n, a in of.items() if n.startswith(_GRADIENT)} for of in of_replica.values())
        if stash:
            stash |= self._weights_before
        if not stash and self._all_variables():
            self._say(
                f"weight gradients are left out: optimizer.{self.apply_name} was not called between the backward pass "
                "and the write; write after it, and pass the optimizer that trains as optimizer="
            )
        return stash

    def _passes(self, taken: Sequence[Calls], stash: Mapping[str, Array]) -> list[keras_layers.Pass]:
        """What each replica left behind; the matrices with the first."""
        scale = stash.get(_LOSS_SCALE) if stash else current_scale(loss_scale(self._optimizer))
        nothing: list[dict[tuple[str, str], Array]] = [{} for _ in self._layers]
        of_replicas = [[[unscaled(call, scale) for call in of_layer] for of_layer in calls] for calls in taken]
        first, *others = of_replicas
        weights, gradients = self._matrices(stash, scale)
        return [keras_layers.Pass(first, weights, gradients), *(keras_layers.Pass(c, nothing, nothing) for c in others)]

    def _matrices(
        self, stash: Mapping[str, Array], scale: Array | None
    ) -> tuple[list[dict[tuple[str, str], Array]], list[dict[tuple[str, str], Array]]]:
        if not self._wants_matrices:
            return [{} for _ in self._layers], [{} for _ in self._layers]
        index_of = self._indexes()
        weights, gradients = [], []
        for layer in self._layers:
            variables = {key: (index_of[id(variable)], variable) for key, variable in layer.variables.items()}
            kept = {key: stash[name] for key, (i, _) in variables.items() if (name := f"{_WEIGHT}{i}") in stash}
            # Those without a gradient weren't updated: now is as good as then.
            weights.append({k: kept[k] if k in kept else to_numpy(copies(v)[0]) for k, (_, v) in variables.items()})
            kept = {key: stash[name] for key, (i, _) in variables.items() if (name := f"{_GRADIENT}{i}") in stash}
            gradients.append({key: divided(gradient, scale) for key, gradient in kept.items()})
        return weights, gradients

    def _say_missing(self, calls: Sequence[Sequence[Any]]) -> None:
        # Of a layer without weights there is nothing to miss: many, as a dropout of 0, are never called.
        missing = [one.name for one, calls_ in zip(self._layers, calls, strict=True) if not calls_ and one.variables]
        if missing:
            self._say(
                f"no gradient reached {', '.join(map(repr, missing))}: of a layer that is frozen (with only frozen "
                "ones below it), or isn't used, only the weights are written"
            )

    def _say(self, what: str) -> None:
        """Says it, once."""
        if what not in self._said:
            self._said.add(what)
            warnings.warn(f"rnn_summary: {what}.", stacklevel=3)


make_taps = TensorFlowTaps


def _make_function_anew(model: Layer, name: str) -> None:
    """Makes Keras trace its step function again, if it has one."""
    if getattr(model, name, None) is not None:
        getattr(model, f"make_{name}")(force=True)
