"""Taps on Keras layers whose backend is PyTorch: in fit, in loops of one's own, and on one batch.

In a loop of one's own that trains with a Keras optimizer, weight gradients are what its `apply` is given; with any
other optimizer they are what is in `.grad` of the parameters when it is time to write. Where several passes come before
a write, sequences are those of the last one.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import keras
import torch

from tb_rnn_plugin.capture.keras import calls as keras_calls
from tb_rnn_plugin.capture.keras import taps as keras_taps
from tb_rnn_plugin.capture.keras.layers import RecordedLayer
from tb_rnn_plugin.capture.keras.own_pass import OwnPass
from tb_rnn_plugin.capture.keras.recorded_pass import Recording
from tb_rnn_plugin.capture.keras.torch.recorder import Recorder, arrays, copies

#: What a training function raises where an epoch ends, if its length wasn't known.
END_OF_DATA = (StopIteration,)

Model: TypeAlias = Any


def make_taps(model: Model, layers: Sequence[RecordedLayer], **options: Any) -> keras_taps.KerasTaps:
    """Attaches taps, with the options of KerasTaps; the first pass is recorded."""
    return keras_taps.KerasTaps(model, layers, functools.partial(Recorder, layers), **options)


class FixedPass(OwnPass):
    """Of a model on PyTorch: never compiled, which takes longer here than many passes."""

    def _run(self) -> Recording:
        model = self._model
        if not model.built:
            keras_calls.prediction(model, self._x, training=False)
        variables = keras_calls.differentiated(model, self._layers)
        x = keras.tree.map_structure(_as_leaf, self._x) if keras_calls.has_weightless(self._layers) else self._x
        inputs = [t for t in keras.tree.flatten(x) if isinstance(t, torch.Tensor) and t.requires_grad]
        scale = keras_calls.loss_scale(getattr(model, "optimizer", None))
        factor = 1.0 if scale is None else float(scale)
        with _as_it_was(model, variables), self._recorder.alone():
            with keras_calls.stateless(model, [(variable, variable.value) for variable in model.variables]):
                loss = keras.ops.mean(self._loss(keras_calls.prediction(model, x, training=self._training)))
            sources = [*(variable.value for variable in variables), *inputs]
            found = torch.autograd.grad(loss * factor, sources, allow_unused=True)
        if self._recorder.error is not None:
            raise self._recorder.error
        gradient_of = dict(zip(map(id, variables), found, strict=False))
        gradients = [{key: gradient_of[id(v)] for key, v in layer.variables.items()} for layer in self._layers]
        return Recording(
            calls=self._recorder.take().calls,
            weights=[arrays(copies(keras_calls.weights(layer))) for layer in self._layers],
            weight_gradients=[arrays({key: g for key, g in of.items() if g is not None}) for of in gradients],
            scale=factor,
        )

    @functools.cached_property
    def _recorder(self) -> Recorder:
        return Recorder(self._layers, matrices=False, keep_inputs=self._recurrences.wanted)


def _as_leaf(x: Any) -> Any:
    """A float tensor as one whose gradient can be asked for; the given one stays as it is."""
    return x.detach().requires_grad_() if isinstance(x, torch.Tensor) and x.is_floating_point() else x


@contextlib.contextmanager
def _as_it_was(model: Model, variables: Sequence[Any]) -> Iterator[None]:
    """Makes gradients of frozen weights possible, and puts back what isn't in Keras's variables.

    That is whether a weight needs a gradient; and of PyTorch modules in the model modes, buffers and random states.
    """
    parameters = [(variable.value, variable.value.requires_grad) for variable in variables]
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.random.fork_rng(devices=sorted(devices)):
        try:
            for parameter, _ in parameters:
                parameter.requires_grad_()
            yield
        finally:
            for parameter, needed in parameters:
                parameter.requires_grad_(needed)
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
