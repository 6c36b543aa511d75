"""Taps on the layers of tf_keras (Keras 2), in the user's own training step: eagerly, in a tf.function and in fit."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import tensorflow as tf
from tf_keras.src.saving.legacy.saved_model import save_impl, utils  # there is no public way to ask whether it saves

from tb_rnn_plugin.capture.keras.layers import Array, Layer, RecordedLayer
from tb_rnn_plugin.capture.keras.override import Method
from tb_rnn_plugin.capture.keras.tensorflow.backend import TensorFlowTaps
from tb_rnn_plugin.capture.keras.tensorflow.recorder import Recorder
from tb_rnn_plugin.capture.keras.tensorflow.store import Store

Tensor: TypeAlias = Any
Variable: TypeAlias = Any
Optimizer: TypeAlias = Any
Matrices: TypeAlias = list[dict[tuple[str, str], Array]]


class TfKerasRecorder(Recorder):
    """Taps on the outputs of tf_keras layers."""

    def _maker(self, recorded: RecordedLayer, layer: Layer, stores: list[Store]) -> Callable[[Method], Method]:
        make = super()._maker(recorded, layer, stores)

        def make_for_tf_keras(call: Method) -> Method:
            converted = converting(layer, call)
            tapped = make(converted)

            @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
            def unless_saved(*args: Any, **kwargs: Any) -> Any:
                # What is traced to be saved is the model as it was.
                saves = save_impl.tracing_enabled() or utils.in_tf_saved_model_scope()
                return (converted if saves else tapped)(*args, **kwargs)

            return unless_saved  # type: ignore[no-any-return]

        return make_for_tf_keras


class TfKerasTaps(TensorFlowTaps):
    """Taps on the recurrent layers of a tf_keras model."""

    apply_name = "apply_gradients"
    recorder_class = TfKerasRecorder

    def _apply_maker(self, optimizer: Optimizer, apply: Method) -> Method:
        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def tapped(grads_and_vars: Iterable[tuple[Tensor, Variable]], *args: Any, **kwargs: Any) -> Any:
            pairs = list(grads_and_vars)
            try:
                if self._attached:
                    self._keep_weights(
                        optimizer, [gradient for gradient, _ in pairs], [variable for _, variable in pairs]
                    )
            except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not end training
                self._recorder.error = error
            return apply(pairs, *args, **kwargs)

        return tapped  # type: ignore[no-any-return]

    def _matrices(self, stash: Mapping[str, Array], scale: Array | None) -> tuple[Matrices, Matrices]:  # noqa: ARG002
        # Unlike Keras 3's, a LossScaleOptimizer of tf_keras is given gradients from which the scale is out already.
        return super()._matrices(stash, None)


def converting(layer: Layer, call: Method) -> Method:
    """`call` as tf_keras runs it in a graph: a user's own layer goes through AutoGraph, which would end at the tap."""
    # What lies under another tap is converted there.
    is_tapped = hasattr(call, "rnn_summary_override")
    if is_tapped or not inspect.ismethod(call) or not layer._should_use_autograph():  # noqa: SLF001  # tf_keras asks
        return call
    convert = functools.cache(lambda: tf.autograph.to_graph(call.__func__))

    @functools.wraps(call)
    def converting(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs) if tf.executing_eagerly() else convert()(layer, *args, **kwargs)

    return converting
