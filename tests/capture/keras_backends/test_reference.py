"""Keras on JAX and on PyTorch against the numbers that see-rnn itself returned."""

import pytest

from tests.capture import reference
from tests.capture.keras_backends.backends import on_each_with

pytest.importorskip("keras")

from tb_rnn_plugin.capture.keras import entry as capture_keras
from tests.capture.keras_backends.kept import Kept
from tests.capture.keras_reference_model import build

_KINDS = {
    "lstm": "LSTM",
    "gru_ra1": "GRU, reset_after=True",
    "gru_ra0": "GRU, reset_after=False",
    "rnn": "SimpleRNN",
    "bilstm": "Bidirectional LSTM, merge_mode=concat",
    "bigru": "Bidirectional GRU, merge_mode=concat",
}
_MODES = {"seq": "return_sequences=True", "last": "return_sequences=False"}
_OPTIONS = {"masked": "with Masking", "sw": "with sample_weight"}


def _words(case: str) -> str:
    kind, mode, *options = case.split("/")
    return ", ".join([_KINDS[kind], _MODES[mode], *(_OPTIONS[option] for option in options)])


CASES = {case: _words(case) for case in reference.cases()}


@on_each_with("case", {case: f"{words}: rnn_summary.capture" for case, words in CASES.items()})
def test_one_batch(backend: str, case: str) -> None:
    x, y, sample_weight = reference.array(case, "x"), reference.array(case, "y"), reference.sample_weight(case)
    reference.check(case, capture_keras.capture(build(case), x, y, sample_weight=sample_weight))


@on_each_with("case", {case: f"{CASES[case]}: KerasCallback in fit" for case in CASES if case.endswith("/last")})
def test_fit(backend: str, case: str) -> None:
    x, y, sample_weight = reference.array(case, "x"), reference.array(case, "y"), reference.sample_weight(case)
    taps = Kept()
    build(case).fit(x, y, sample_weight=sample_weight, batch_size=4, shuffle=False, verbose=0, callbacks=[taps])
    reference.check(case, taps.written[0])
