"""The models that see-rnn's reference numbers were taken from, in Keras 3 or tf_keras."""

from typing import Any

import keras

from tests.capture import reference


def build(case: str, keras: Any = keras, optimizers: Any = None) -> Any:
    """The model of a case, with the weights that see-rnn had.

    Args:
        case: One of `reference.cases()`.
        keras: The module: keras, or tf_keras.
        optimizers: The module that its SGD is of; left out: that of `keras`.
    """
    kind, mode = case.split("/")[:2]

    def recurrent(name: str, *, return_sequences: bool = False) -> Any:
        layers = keras.layers
        options = {"return_sequences": return_sequences}
        if kind.startswith("bi"):
            inner = {"bilstm": layers.LSTM, "bigru": layers.GRU}[kind]
            return layers.Bidirectional(inner(6, **options), name=name)
        if kind.startswith("gru"):
            return layers.GRU(6, reset_after=kind == "gru_ra1", name=name, **options)
        return {"lstm": layers.LSTM, "rnn": layers.SimpleRNN}[kind](6, name=name, **options)

    inputs = keras.Input((12, 5), batch_size=4)
    outputs = keras.layers.Masking(0.0)(inputs) if reference.is_masked(case) else inputs
    outputs = recurrent("rnn1", return_sequences=True)(outputs)
    if mode == "last":
        outputs = recurrent("rnn2")(outputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(outputs))
    model.set_weights(reference.weights(case))
    # Clipping has to leave no trace in what is recorded.
    model.compile((optimizers or keras.optimizers).SGD(0.1, clipnorm=1e-6), "mse")
    return model
