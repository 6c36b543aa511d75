"""Taps on Keras layers whose backend is TensorFlow: in eager loops, tf.function and fit, with XLA and without."""

import contextlib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tb_rnn_plugin import record
from tb_rnn_plugin.capture import keras_layers, taps
from tb_rnn_plugin.capture.keras_layers import Array, Layer, RecurrentLayer
from tb_rnn_plugin.capture.keras_override import Method, Override
from tb_rnn_plugin.capture.keras_tensorflow_recorder import Recorder, Store, clear, to_numpy

Tensor: TypeAlias = Any
Optimizer: TypeAlias = Any

_LOSS_SCALE = "loss_scale"
_WEIGHT = "weight/"
_GRADIENT = "gradient/"


class TensorFlowTaps(taps.Taps):
    """Taps on the recurrent layers of a Keras model, in the user's own training step."""

    def __init__(
        self,
        model: Layer,
        layers: Sequence[RecurrentLayer],
        *,
        every: int,
        samples: int | None,
        optimizer: Optimizer | None = None,
        quantities: Collection[str] | None = None,
        keep_inputs: bool = False,
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
        """
        super().__init__(every=every, samples=samples, quantities=quantities)
        if tf.distribute.has_strategy() or _replicas(model) > 1:
            raise ValueError(
                f"model: taps can't record {_replicas(model)} replicas of tf.distribute yet; train on one."
            )
        #: What the recorded calls were given, by record name, if `keep_inputs`.
        self.inputs: dict[str, dict[str, Array]] = {}
        self._model = model
        self._layers = layers
        self._optimizer = optimizer
        self._keep_inputs = keep_inputs
        self._variables = list({id(v): v for layer in layers for v in layer.variables.values()}.values())
        self._stashes: list[Store] = []
        self._said: set[str] = set()
        self._attached = True
        self._functions = {name: getattr(model, name, None) for name in ("test_function", "predict_function")}
        self._recorder = Recorder(layers, keep_inputs=keep_inputs)
        self._recorder.attach()
        self._wants_matrices = self.wants(*record.MATRIX_QUANTITIES)
        self._apply = None
        # A loss scale is known for sure only while it is applied: the same call may change it.
        if optimizer is not None and (self._wants_matrices or _loss_scale(optimizer) is not None):
            self._apply = Override(optimizer, "apply", self._apply_maker)
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
        if armed or self._recorder.armed:
            clear(self._stashes)
        self._recorder.arm(armed=armed)

    def take(self) -> list[record.LayerRecord]:
        """The records of what was recorded since the last call, in model order; empty when no backward pass was."""
        if not self._attached:
            return []
        if self._recorder.error is not None:
            self._say(f"some layers can't be tapped: {self._recorder.error!r}")
        calls = self._recorder.take()
        if calls is None:  # the next step is recorded instead
            return []
        if not any(calls):
            if self._recorder.armed:
                self._say(
                    "nothing was recorded: no backward pass went through the recurrent layers. If the training step is "
                    "a tf.function, attach before it is called for the first time"
                )
            return []
        self._say_missing(calls)
        stash = self._read_stash() if self._apply is not None else {}
        scale = stash.get(_LOSS_SCALE, _current(_loss_scale(self._optimizer)))
        weights, gradients = self._matrices(stash, scale)
        recorded = keras_layers.Pass([[_unscaled(call, scale) for call in of] for of in calls], weights, gradients)
        self.inputs = recorded.inputs(self._layers) if self._keep_inputs else {}
        self.arm(armed=self._recorder.armed)  # what was taken is gone
        return recorded.records(self._layers)

    def detach(self) -> None:
        """Takes the taps off; the model is as it was before."""
        if not self._attached:
            return
        self.arm(armed=False)
        self._attached = False
        self._recorder.detach()
        if self._apply is not None:
            self._apply.undo()
        _make_function_anew(self._model, "train_function")
        for name, function in self._functions.items():
            if getattr(self._model, name, None) is not function:
                _make_function_anew(self._model, name)

    def _apply_maker(self, apply: Method) -> Method:
        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def tapped(grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> Any:
            try:
                if self._attached:
                    self._keep_weights(grads, trainable_variables)
            except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                self._recorder.error = error
            return apply(grads, trainable_variables)

        return tapped  # type: ignore[no-any-return]

    def _keep_weights(self, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None) -> None:
        """Keeps weights and their gradients before the update; only those of a pass that was recorded."""
        if trainable_variables is None and self._optimizer is not None:
            trainable_variables = self._optimizer._trainable_variables  # noqa: SLF001  # what `apply` itself takes then
        variables = trainable_variables or ()
        gradient_of = {id(_tf_variable(variable)): g for variable, g in zip(variables, grads, strict=True)}
        tensors: dict[str, Tensor] = {}
        for index, variable in enumerate(self._all_variables() if self._wants_matrices else ()):
            gradient = gradient_of.get(id(variable.value))
            if gradient is not None:
                tensors[f"{_WEIGHT}{index}"] = variable.value
                tensors[f"{_GRADIENT}{index}"] = tf.convert_to_tensor(gradient)
        scale = _loss_scale(self._optimizer)
        if scale is not None:
            tensors[_LOSS_SCALE] = tf.convert_to_tensor(scale)
        if not tensors:
            return
        stash = Store(len(self._stashes), self._recorder.flag, self._stashes)
        stash.keep(tensors, when=self._recorder.passed.read_value())
        if stash.used:
            self._stashes.append(stash)

    def _all_variables(self) -> list[Any]:
        """The variables of the layers, once each; later ones at the end, so that an index keeps its meaning."""
        known = {id(variable) for variable in self._variables}
        for layer in self._layers:
            for variable in layer.variables.values():
                if id(variable) not in known:
                    known.add(id(variable))
                    self._variables.append(variable)
        return self._variables

    def _read_stash(self) -> dict[str, Array]:
        stash: dict[str, Array] = {}
        for store in self._stashes:
            if store.filled():
                stash.update(store.read() or {})
        if not stash and self._optimizer is not None:
            self._say(
                "weight gradients are left out: optimizer.apply was not called between the backward pass and the "
                "write; write after it, and pass the optimizer that trains as optimizer="
            )
        return stash

    def _matrices(
        self, stash: Mapping[str, Array], scale: Array | None
    ) -> tuple[list[dict[tuple[str, str], Array]], list[dict[tuple[str, str], Array]]]:
        if not self._wants_matrices:
            return [{} for _ in self._layers], [{} for _ in self._layers]
        index_of = {id(variable): index for index, variable in enumerate(self._all_variables())}
        weights, gradients = [], []
        for layer in self._layers:
            variables = {key: (index_of[id(variable)], variable) for key, variable in layer.variables.items()}
            kept = {key: stash[name] for key, (i, _) in variables.items() if (name := f"{_WEIGHT}{i}") in stash}
            # Those without a gradient weren't updated: now is as good as then.
            weights.append({k: kept[k] if k in kept else to_numpy(v.value) for k, (_, v) in variables.items()})
            kept = {key: stash[name] for key, (i, _) in variables.items() if (name := f"{_GRADIENT}{i}") in stash}
            gradients.append({key: _divided(gradient, scale) for key, gradient in kept.items()})
        return weights, gradients

    def _say_missing(self, calls: Sequence[Sequence[Any]]) -> None:
        missing = [layer.name for layer, of_layer in zip(self._layers, calls, strict=True) if not of_layer]
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


class FixedPass:
    """A forward and backward pass of its own over one batch; the model stays as it is."""

    def __init__(
        self,
        model: Layer,
        layers: Sequence[RecurrentLayer],
        loss: Callable[[Tensor], Tensor],
        x: Any,  # whatever the model takes
        *,
        training: bool,
        compiled: bool,
    ) -> None:
        """Prepares the pass.

        Args:
            model: The Keras model.
            layers: Its layers to be recorded.
            loss: From the model's prediction to a scalar.
            x: The batch, in tensors.
            training: Whether the model runs in training mode.
            compiled: Whether the pass is made a tf.function, traced with the taps on at its first run only.
        """
        self._model = model
        self._layers = layers
        self._loss = loss
        self._x = x
        self._training = training
        self._compiled = compiled
        self._recorder = Recorder(layers)
        self._concrete: Method | None = None

    def records(self) -> list[record.LayerRecord]:
        """Runs the pass, with the weights that the model has now."""
        if not self._model.built:
            _called(self._model, self._x, training=False)
        with _untouched(self._model):
            self._recorder.arm(armed=True)
            if self._compiled:
                if self._concrete is None:
                    with self._recorder.attached_alone():
                        self._concrete = tf.function(self._gradients, autograph=False).get_concrete_function()
                gradients, scale = self._concrete()
            else:
                with self._recorder.attached_alone():
                    gradients, scale = self._gradients()
            factor = to_numpy(scale)
            calls = self._recorder.take() or [[] for _ in self._layers]
            self._recorder.arm(armed=False)
        if self._recorder.error is not None:
            raise self._recorder.error
        return keras_layers.Pass(
            [[_unscaled(call, factor) for call in of_layer] for of_layer in calls],
            [{key: to_numpy(variable.value) for key, variable in layer.variables.items()} for layer in self._layers],
            [{key: _divided(to_numpy(g), factor) for key, g in of.items() if g is not None} for of in gradients],
        ).records(self._layers)

    def _gradients(self) -> tuple[list[dict[tuple[str, str], Tensor]], Tensor]:
        """The weight gradients of each layer, and the loss scale that is in them."""
        variables = [{key: variable.value for key, variable in layer.variables.items()} for layer in self._layers]
        optimizer = getattr(self._model, "optimizer", None)
        factor = _loss_scale(optimizer)
        scale = tf.cast(1.0 if factor is None else factor, tf.float32)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)  # frozen ones too: then a gradient reaches every tap
            loss = tf.reduce_mean(self._loss(_called(self._model, self._x, training=self._training)))
            scaled = loss * tf.cast(scale, loss.dtype)
        gradients = tape.gradient(scaled, variables)
        return [{k: None if g is None else tf.convert_to_tensor(g) for k, g in of.items()} for of in gradients], scale


@contextlib.contextmanager
def _untouched(model: Layer) -> Iterator[None]:
    """Puts back what isn't a weight: metrics, states of random generators, running averages, states of layers."""
    variables = [v for v in model.variables if not v.trainable] + list(getattr(model, "metrics_variables", []))
    for layer in model._flatten_layers():  # noqa: SLF001  # Keras has no public way to the layers of a layer
        # Those of a stateful layer are in no list of variables.
        variables += keras.tree.flatten(getattr(layer, "states", None) or [])
    before = [(variable, tf.identity(variable.value)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
        model._clear_losses()  # noqa: SLF001  # those of add_loss, as the next call would do


def _called(model: Layer, x: Any, *, training: bool) -> Tensor:
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=training)
    return model(x)


def _tf_variable(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _loss_scale(optimizer: Optimizer | None) -> Tensor | float | None:
    """The factor by which this step's loss is multiplied before its gradients are computed; None where it isn't."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.dynamic_scale.value if optimizer.built else optimizer.initial_scale
    return getattr(optimizer, "loss_scale_factor", None)


def _current(scale: Tensor | float | None) -> Array | None:
    return None if scale is None else to_numpy(tf.convert_to_tensor(scale))


def _divided(array: Array, scale: Array | None) -> Array:
    return array if scale is None or scale == 1 else array / scale


def _unscaled(call: Sequence[Mapping[str, Array]], scale: Array | None) -> tuple[dict[str, Array], ...]:
    """The parts of a call, with the loss scale taken out of the gradients."""
    scaled = (keras_layers.OUTPUT_GRADIENT, keras_layers.STATE_GRADIENT)
    return tuple(
        {n: _divided(array, scale) if n.startswith(scaled) else array for n, array in part.items()} for part in call
    )


def _replicas(model: Layer) -> int:
    strategy = getattr(model, "distribute_strategy", None)
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


def _make_function_anew(model: Layer, name: str) -> None:
    """Makes Keras trace its step function again, if it has one."""
    if getattr(model, name, None) is not None:
        getattr(model, f"make_{name}")(force=True)
