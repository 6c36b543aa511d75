"""A model that is compiled anew while taps are on it: another optimizer trains it from then on."""

from collections.abc import Callable
from typing import Any, TypeAlias

from tb_rnn_plugin.capture.keras.override import Method, Override

Model: TypeAlias = Any
Optimizer: TypeAlias = Any


def on_compile(model: Model, optimizer: Optimizer | None, follow: Callable[[Optimizer], None]) -> Override | None:
    """Has `follow` called with the optimizer of each `compile` to come, until it is undone.

    Args:
        model: A model of Keras 3 or tf_keras, or a layer.
        optimizer: The one that is tapped.
        follow: Is given the new one.

    Returns:
        None where compiling changes nothing: the optimizer isn't the model's own.
    """
    if not hasattr(model, "compile") or optimizer is not getattr(model, "optimizer", None):
        return None

    def make(compile_model: Method) -> Method:
        def followed(*args: Any, **kwargs: Any) -> None:
            compile_model(*args, **kwargs)
            follow(getattr(model, "optimizer", None))

        return followed

    return Override(model, "compile", make)
