"""Trains the nets of sick_nets.py with PyTorch and with Keras, and logs them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demo.sick_nets import UNITS, Matrices, Net, batches
from tb_rnn_plugin import cells, rnn_summary

LAYER = "recurrent"


def train_with_pytorch(
    net: Net, directory: Path, *, steps: int, every: int, seed: int, completely: bool = False
) -> None:
    """Trains one net and logs it: completely, by waiting where gradients through time take longer than a step."""
    import torch  # noqa: PLC0415  # only where it is asked for

    torch.manual_seed(seed)
    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
    options = {"nonlinearity": net.activation} if net.cell == "rnn" else {}
    recurrent = kinds[net.cell](2, UNITS, batch_first=True, bidirectional=net.bidirectional, **options)
    dense = torch.nn.Linear(UNITS * len(net.directions), 1)
    model = torch.nn.ModuleDict({LAYER: recurrent, "dense": dense})
    optimizer = torch.optim.Adam(model.parameters(), net.learning_rate)
    with rnn_summary.attach(model, every=every) as taps:
        for step, (x, y) in enumerate(batches(net, steps, seed)):
            if net.spoil is not None and step == net.spoil_at:
                _spoil_pytorch(net, recurrent)
            optimizer.zero_grad()
            states = recurrent(torch.from_numpy(x))[0]
            ends = [states[:, -1, :UNITS], states[:, 0, UNITS:]][: len(net.directions)]
            loss = torch.nn.functional.mse_loss(dense(torch.cat(ends, 1)), torch.from_numpy(y))
            loss.backward()  # type: ignore[no-untyped-call]
            rnn_summary.write(taps, step=step, writer=directory)
            if completely:
                rnn_summary.flush(directory)
            optimizer.step()
    rnn_summary.flush(directory)


_PYTORCH_NAMES = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias_ih", "other_bias": "bias_hh"}


def _spoil_pytorch(net: Net, recurrent: Any) -> None:
    import torch  # noqa: PLC0415

    assert net.spoil is not None
    suffixes = dict(zip(net.directions, ("_l0", "_l0_reverse"), strict=False))
    by_direction: Mapping[str, Matrices] = {
        direction: {
            matrix: np.ascontiguousarray(getattr(recurrent, name + suffix).detach().numpy().T)
            for matrix, name in _PYTORCH_NAMES.items()
        }
        for direction, suffix in suffixes.items()
    }
    net.spoil(by_direction, cells.TORCH_GATES[net.cell])
    with torch.no_grad():
        for direction, suffix in suffixes.items():
            for matrix, name in _PYTORCH_NAMES.items():
                getattr(recurrent, name + suffix).copy_(torch.from_numpy(by_direction[direction][matrix].T))


def train_with_keras(net: Net, directory: Path, *, steps: int, every: int, seed: int) -> None:
    """Trains one net and logs it."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    kinds = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
    options = {"activation": net.activation} if net.cell == "rnn" else {}
    layer = kinds[net.cell](UNITS, name=LAYER, **options)
    if net.bidirectional:
        layer = keras.layers.Bidirectional(kinds[net.cell](UNITS, **options), name=LAYER)
    data = batches(net, steps, seed)
    model = keras.Sequential([keras.Input(data[0][0].shape[1:]), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(net.learning_rate), "mse")

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if net.spoil is not None and batch == net.spoil_at:
                _spoil_keras(net, layer)

    model.fit(
        np.concatenate([x for x, _ in data]),
        np.concatenate([y for _, y in data]),
        batch_size=len(data[0][0]),
        shuffle=False,
        verbose=0,
        callbacks=[Spoil(), rnn_summary.KerasCallback(directory, every=every)],
    )


def _spoil_keras(net: Net, layer: Any) -> None:
    assert net.spoil is not None
    weights = [np.array(weight) for weight in layer.get_weights()]
    by_direction = {
        direction: dict(zip(("kernel", "recurrent_kernel", "bias"), weights[3 * place : 3 * place + 3], strict=True))
        for place, direction in enumerate(net.directions)
    }
    net.spoil(by_direction, cells.KERAS_GATES[net.cell])
    layer.set_weights(weights)


TRAINERS = {"PyTorch": train_with_pytorch, "Keras": train_with_keras}
