"""see-rnn's examples, EX 1 to 13: what each trains, and which address of the tab shows it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from demo.gallery.networks import recurrent, sparse_autoencoder
from demo.picture import Picture

LSTM, GRU, SimpleRNN = keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN

#: Two ages of training at which see-rnn looks at the same net.
YOUNG, OLD = 20, 200
AGES = (0, 10, YOUNG, 50, 100, OLD)

_SIX = "six_units"
_ALL_SAMPLES = ",".join(map(str, range(16)))

#: What is trained: run to what trains it and logs into a directory.
TRAININGS: Mapping[str, Callable[[Path], None]] = {
    "bilstm_relu": lambda to: recurrent(to, LSTM, 32, steps=[0], bidirectional=True, activation="relu"),
    _SIX: lambda to: recurrent(to, LSTM, 6, steps=[YOUNG, OLD]),
    "lstm_256": lambda to: recurrent(to, LSTM, 256, steps=AGES),
    "bigru_256": lambda to: recurrent(to, GRU, 256, steps=AGES, bidirectional=True),
    "six_units_last": lambda to: recurrent(to, LSTM, 6, steps=[YOUNG, OLD], return_sequences=False),
    "gru_256": lambda to: recurrent(to, GRU, 256, steps=AGES),
    "rnn_256": lambda to: recurrent(to, SimpleRNN, 256, steps=AGES),
    "bilstm_256": lambda to: recurrent(to, LSTM, 256, steps=AGES, bidirectional=True),
    "rnn_exploding": lambda to: recurrent(
        to,
        SimpleRNN,
        256,
        steps=[0],
        activation="relu",
        recurrent_initializer=keras.initializers.Orthogonal(gain=4.0, seed=0),
    ),
    "autoencoder": lambda to: sparse_autoencoder(to, steps=[0, 50, 100, 200, 400]),
}


def _picture(name: str, caption: str, runs: tuple[str, ...], **choices: str) -> Picture:
    return Picture(name, caption, choices, runs)


PICTURES: tuple[Picture, ...] = (
    _picture(
        "01_bilstm_activations",
        "EX 1. Bi-LSTM, 32 units, relu: activations, a panel for each channel, all samples overlaid.",
        ("bilstm_relu",),
        view="curves",
        quantity="activation",
        samples=_ALL_SAMPLES,
    ),
    _picture(
        "02_lstm_gradients_one_sample",
        "EX 2. LSTM, 6 units: output gradients of one sample after 20 updates.",
        (_SIX,),
        view="curves",
        quantity="output_gradient",
        samples="0",
        scale="linear",
        step=str(YOUNG),
    ),
    _picture(
        "03_lstm_gradients_all_samples",
        "EX 3. The same net and step: all 16 samples.",
        (_SIX,),
        view="curves",
        quantity="output_gradient",
        samples=_ALL_SAMPLES,
        scale="linear",
        step=str(YOUNG),
    ),
    _picture(
        "04_lstm_gradients_later",
        "EX 4. The same after 200 updates.",
        (_SIX,),
        view="curves",
        quantity="output_gradient",
        samples=_ALL_SAMPLES,
        scale="linear",
        step=str(OLD),
    ),
    _picture(
        "05_lstm_256_curves",
        "EX 5, 1D. LSTM, 256 units: output gradients as curves.",
        ("lstm_256",),
        view="curves",
        quantity="output_gradient",
        samples="0",
        scale="linear",
    ),
    _picture(
        "05_lstm_256_heatmap",
        "EX 5, 2D. The same as a heatmap.",
        ("lstm_256",),
        view="heatmap",
        quantity="output_gradient",
        samples="0",
    ),
    _picture(
        "06_bigru_reflected",
        "EX 6. Bi-GRU, 256 units: the backward half reflected below the forward half.",
        ("bigru_256",),
        view="heatmap",
        quantity="output_gradient",
        samples="0",
        reflect="on",
    ),
    _picture(
        "07_lstm_0d",
        "EX 7, 0D. LSTM, 6 units, return_sequences=False: a dot for each channel and sample.",
        ("six_units_last",),
        view="scatter",
        quantity="output_gradient",
        samples=_ALL_SAMPLES,
    ),
    _picture(
        "08_cells_compared",
        "EX 8. LSTM, GRU and SimpleRNN, 256 units each, side by side under one scale: the gradient through time.",
        ("lstm_256", "gru_256", "rnn_256"),
        view="heatmap",
        quantity="bptt_gradient",
        samples="0",
    ),
    _picture(
        "09_lstm_weights_histogram",
        "EX 9. LSTM, 256 units: histograms of its weights, gate by gate.",
        ("lstm_256",),
        view="histograms",
        quantity="weights",
    ),
    _picture(
        "09_lstm_weights_heatmap",
        "EX 9. The same weights as matrices.",
        ("lstm_256",),
        view="weights",
        quantity="weights",
    ),
    _picture(
        "10_bilstm_weights",
        "EX 10. Bi-LSTM, 256 units (see-rnn's was CuDNN's; Keras 3 has one LSTM for both): weights of both directions.",
        ("bilstm_256",),
        view="weights",
        quantity="weights",
    ),
    _picture(
        "11_bilstm_absolute_weight_gradients",
        "EX 11. The same net: absolute weight gradients, in grey.",
        ("bilstm_256",),
        view="weights",
        quantity="weight_gradients",
        absolute="on",
        colours="grey",
    ),
    _picture(
        "12_nan",
        "EX 12. SimpleRNN, 256 units, that explodes: NaN found gate by gate in its weight gradients.",
        ("rnn_exploding",),
        view="weights",
        quantity="weight_gradients",
    ),
    _picture(
        "13_sparse_convolution",
        "EX 13. Sparse Conv1D autoencoder: the weights of one of its layers.",
        ("autoencoder",),
        view="weights",
        layer="encoder_1",
        quantity="weights",
    ),
)
