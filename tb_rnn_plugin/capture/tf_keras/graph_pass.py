"""A pass of its own over one batch in TensorFlow 1's graph mode: the model is called once more, on inputs of its own.

What is added to the graph for a model stays there; so that a graph doesn't grow with each pass, it is used again.
"""

import contextlib
import inspect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.python.ops import control_flow_util_v2  # there is no public way to ask what it was told

from tb_rnn_plugin import record
from tb_rnn_plugin.capture.keras.layers import Array, Layer, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method, Override
from tb_rnn_plugin.capture.keras.recurrence import Recurrences
from tb_rnn_plugin.capture.keras.tensorflow.recorder import inputs_of
from tb_rnn_plugin.capture.recurrences import Derivation
from tb_rnn_plugin.capture.tf_keras.graph import Given, Gradients, Outputs, loss_scale, session_of
from tb_rnn_plugin.capture.tf_keras.loss import Loss, callable_loss, total_loss
from tb_rnn_plugin.capture.tf_keras.own_pass import random_generators
from tb_rnn_plugin.capture.tf_keras.taps import converting

Model: TypeAlias = Any
Tensor: TypeAlias = Any

_added: "weakref.WeakKeyDictionary[Model, dict[object, _Added]]" = weakref.WeakKeyDictionary()


class GraphPass:
    """A pass over one batch; the model stays as it is."""

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        batch: tuple[Any, Any, Any],
        *,
        training: bool,
        loss: Loss | str | None,
        derivation: Derivation | None = None,
    ) -> None:
        """Prepares the pass.

        Args:
            model: The model.
            layers: Its layers to be recorded.
            batch: Input, targets and sample weights, as numpy arrays.
            training: Whether the model runs in training mode.
            loss: In place of the compiled loss.
            derivation: What is computed of recurrent layers; None: nothing.

        Raises:
            TypeError: If `loss` is neither a callable nor the name of a loss.
            ValueError: If the model isn't built, or there is no loss.
        """
        if not model.inputs:
            raise ValueError(
                f"model: {model.name!r} has no tensors yet: in graph mode a subclassed model has to be trained, or to "
                "predict, once before it is captured."
            )
        x, y, sample_weight = batch
        if loss is None:
            if getattr(model, "total_loss", None) is None:
                raise ValueError("loss: the model isn't compiled, so it has no loss; compile it or pass loss=.")
            x, y, _ = model._standardize_user_data(x, y)  # noqa: SLF001  # as train_on_batch does
        else:
            loss = callable_loss(loss)
            x, _, _ = model._standardize_user_data(x)  # noqa: SLF001
        self._model = model
        self._layers = layers
        self._recurrences = Recurrences(layers, derivation)
        self._samples = None if derivation is None else derivation.samples
        self._arrays = [
            [None if array is None else np.asarray(array) for array in tf.nest.flatten(part)]
            for part in (x, y, sample_weight)
        ]
        self._added = self._used_again(loss, training=training)

    def records(self) -> list[record.LayerRecord]:
        """Runs the pass, with the weights that the model has now."""
        feeds = {
            placeholder: array
            for placeholders, arrays in zip(self._added.placeholders, self._arrays, strict=True)
            for placeholder, array in zip(placeholders, arrays, strict=True)
            if placeholder is not None
        }
        if hasattr(self._model.optimizer, "get_updates") and not _was_run(self._model):
            # Were a session run before Keras has its own gradients, the model could not be trained any more.
            self._model._make_train_function()  # noqa: SLF001  # it does nothing where there is one
        fetches = self._added.gradients.tensors, [layer.variables for layer in self._layers]
        values, weights = session_of(self._model).run(fetches, feeds)
        return self._added.gradients.records(values, weights, self._recurrences)

    def _used_again(self, loss: Loss | None, *, training: bool) -> "_Added":
        compiled = self._model.total_loss.name if loss is None else loss  # which is another one after compile
        # The model's inputs say themselves which lengths they take; targets and weights are what they are given to be.
        kinds = tuple(
            (a.dtype.kind, a.shape[1:] if place else a.ndim) if a is not None else None
            for place, part in enumerate(self._arrays)
            for a in part
        )
        derives = self._recurrences.wanted
        key = (compiled, training, derives, self._samples, kinds, *(layer.name for layer in self._layers))
        added = _added.setdefault(self._model, {})
        if key not in added:
            with self._model.inputs[0].graph.as_default():
                added[key] = _Added(
                    self._model,
                    self._layers,
                    self._arrays,
                    loss,
                    training=training,
                    derives=derives,
                    samples=self._samples,
                )
        return added[key]


class _Added:
    """What is added to the graph.

    Attributes:
        placeholders: Of the inputs, the targets and the sample weights; None where there is nothing to be fed.
        gradients: What is run.
    """

    def __init__(
        self,
        model: Model,
        layers: Sequence[RecordedLayer],
        arrays: Sequence[Sequence[Array | None]],
        loss: Loss | None,
        *,
        training: bool,
        derives: bool,
        samples: int | None,
    ) -> None:
        inputs = [tf.compat.v1.placeholder(tensor.dtype, tensor.shape) for tensor in model.inputs]
        targets, weights = ([_placeholder(array) for array in part] for part in arrays[1:])
        self.placeholders = inputs, targets, weights
        structure = getattr(model, "_nested_inputs", None)
        x = inputs if structure is None else tf.nest.pack_sequence_as(structure, inputs)
        with _untouched(model), _all_intermediates(), _collected(layers, derives=derives) as (outputs, given):
            prediction = model(x, training=training)
            if loss is None:
                value = _compiled_loss(model, inputs, prediction, targets, weights)
            else:
                y, sample_weight = (part[0] if len(part) == 1 else part for part in (targets, weights))
                value = total_loss(model, loss, y, prediction, sample_weight)
            variables = [layer.variables for layer in layers]  # frozen ones too
            self.gradients = Gradients(layers, outputs, given, variables, value, loss_scale(model), samples=samples)


@contextlib.contextmanager
def _collected(layers: Sequence[RecordedLayer], *, derives: bool) -> Iterator[tuple[Outputs, Given]]:
    """What the layers give out and are given from here on; empty until they are called.

    Args:
        layers: The layers.
        derives: Whether anything is computed from what they are given.
    """
    outputs: Outputs = [[[] for _ in layer.tapped] for layer in layers]
    given: Given = [[[] for _ in layer.tapped] for layer in layers]
    overrides: list[Override] = []

    def keep(
        recorded: RecordedLayer, layer: Layer, calls: list[list[Tensor]], inputs: list[Mapping[str, Tensor]]
    ) -> Override:
        def make(call: Method) -> Method:
            signature = inspect.signature(call)
            converted = converting(layer, call)

            @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
            def kept(*args: Any, **kwargs: Any) -> Any:
                returned = converted(*args, **kwargs)
                tensors = tf.nest.flatten(returned)
                calls.append([tensors[index] for index in recorded.kept(tensors)])
                is_of_use = derives and recorded.keeps_inputs
                inputs.append(inputs_of(layer, signature.bind(*args, **kwargs).arguments) if is_of_use else {})
                return returned

            return kept  # type: ignore[no-any-return]

        return Override(layer, "call", make)

    try:
        for recorded, of_layer, inputs in zip(layers, outputs, given, strict=True):
            overrides += [keep(recorded, *of_part) for of_part in zip(recorded.tapped, of_layer, inputs, strict=True)]
        yield outputs, given
    finally:
        for override in reversed(overrides):
            override.undo()


@contextlib.contextmanager
def _all_intermediates() -> Iterator[None]:
    """Makes loops from which gradients can be taken at any time."""
    before = control_flow_util_v2._EXPERIMENTAL_OUTPUT_ALL_INTERMEDIATES_OVERRIDE  # noqa: SLF001
    tf.compat.v1.experimental.output_all_intermediates(True)
    try:
        yield
    finally:
        tf.compat.v1.experimental.output_all_intermediates(before)


@contextlib.contextmanager
def _untouched(model: Model) -> Iterator[None]:
    """Takes from the layers what they note of a call: updates, losses, and the next seed."""
    layers = list(model._flatten_layers())  # noqa: SLF001  # no public way, here and below
    names = ("_updates", "_losses", "_inbound_nodes", "_outbound_nodes")
    lists = [of for layer in layers for name in names if isinstance(of := getattr(layer, name, None), list)]
    lengths = [len(of) for of in lists]
    generators = random_generators(model)
    seeds = [generator._seed for generator in generators]  # noqa: SLF001
    try:
        yield
    finally:
        for of, length in zip(lists, lengths, strict=True):
            del of[length:]
        for generator, seed in zip(generators, seeds, strict=True):
            generator._seed = seed  # noqa: SLF001


def _compiled_loss(
    model: Model, inputs: list[Tensor], prediction: Any, targets: Sequence[Tensor], weights: Sequence[Tensor | None]
) -> Tensor:
    """What Keras compiles as `total_loss`, for another call of the model."""
    outputs = tf.nest.flatten(prediction)
    endpoints = model._training_endpoints  # noqa: SLF001  # no public way, here and below
    before = [vars(endpoint).copy() for endpoint in endpoints]
    of_endpoints = iter(targets)
    weights = list(weights) * len(endpoints) if len(weights) == 1 else weights
    for endpoint, output, weight in zip(endpoints, outputs, weights, strict=True):
        target = next(of_endpoints) if endpoint.has_feedable_training_target() else endpoint.training_target.target
        vars(endpoint).update(
            _output=output,
            _sample_weight=weight,
            _training_target=type(endpoint.training_target)(target),
            _output_loss_metric=_counted_nowhere,
        )
    losses = Override(model, "get_losses_for", lambda get: lambda tensors: get(None if tensors is None else inputs))
    try:
        return model._prepare_total_loss([getattr(output, "_keras_mask", None) for output in outputs])  # noqa: SLF001
    finally:
        losses.undo()
        for endpoint, attributes in zip(endpoints, before, strict=True):
            vars(endpoint).update(attributes)


def _was_run(model: Model) -> bool:
    """Whether Keras has run a session since the model was made."""
    return all(getattr(variable, "_keras_initialized", False) for variable in model.weights)


def _counted_nowhere(_: Tensor) -> None:
    """In place of the metric that counts an output's loss."""


def _placeholder(array: Array | None) -> Tensor | None:
    if array is None:
        return None
    dtype = tf_keras.backend.floatx() if array.dtype.kind == "f" else array.dtype
    return tf.compat.v1.placeholder(dtype, [None, *array.shape[1:]])
