"""What the gradient of the inputs and reach add to the gradient through time: LSTM 256, 100 timesteps, 128 inputs.

Of 4 samples, as multiples of the time that dL/dh_t takes from the same recorded arrays; numpy alone, one process.
"""

import dataclasses
import time
from collections.abc import Collection
from statistics import median

import numpy as np

from benchmarks.table import Row, print_table
from tb_rnn_plugin.quantity_names import BPTT_GRADIENT, INPUT_GRADIENT, REACH
from tb_rnn_plugin.recurrence.cell import Weights
from tb_rnn_plugin.recurrence.half import Half, Traits
from tb_rnn_plugin.recurrence.layer import Recurrence

ROUNDS = 9
SAMPLES, TIMESTEPS, INPUTS, UNITS = 4, 100, 128, 256
ADDED = {"dL/dx_t": INPUT_GRADIENT, "‖∂h_T/∂h_t‖": REACH, "‖∂h_40/∂h_t‖": f"{REACH}/40"}


def main() -> None:
    """Measures all in turn: what disturbs the machine disturbs all of them alike."""
    half = _half()
    seconds: dict[str, list[float]] = {quantity: [] for quantity in (BPTT_GRADIENT, *ADDED.values())}
    for _ in range(ROUNDS):
        alone = _seconds(half, {BPTT_GRADIENT})
        seconds[BPTT_GRADIENT].append(alone)
        for quantity in ADDED.values():
            seconds[quantity].append(_seconds(half, {BPTT_GRADIENT, quantity}) - alone)
    plain = seconds[BPTT_GRADIENT]
    rows = [Row("dL/dh_t", 1e3 * median(plain), "ms", 1.0, None)]
    for name, quantity in ADDED.items():
        ratio = median(a / b for a, b in zip(seconds[quantity], plain, strict=True))
        rows.append(Row(f"{name}, on top of it", 1e3 * median(seconds[quantity]), "ms", ratio, None))
    print_table(f"On request: LSTM {UNITS}, {TIMESTEPS} timesteps, {INPUTS} inputs, {SAMPLES} samples", rows)


def _half() -> Half:
    """A layer's pass, as a tap records it."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.standard_normal(shape, np.float32)

    weights = {"kernel": drawn(INPUTS, 4 * UNITS) / 16, "recurrent_kernel": drawn(UNITS, 4 * UNITS) / 16}
    x, nothing = drawn(SAMPLES, TIMESTEPS, INPUTS), np.zeros((SAMPLES, UNITS), np.float32)
    traits = Traits(cell="lstm", gates=("input", "forget", "cell", "output"))
    went = traits.equations(Weights.of(weights)).run(x.swapaxes(0, 1), [nothing, nothing])
    output = np.ascontiguousarray(went.hidden.swapaxes(0, 1))
    gradient = drawn(SAMPLES, TIMESTEPS, UNITS)
    return Half(traits=traits, weights=weights, inputs=x, output=output, output_gradient=gradient)


def _seconds(half: Half, quantities: Collection[str]) -> float:
    # A half remembers what it has gone through: each time it is a new one.
    recurrence = Recurrence(halves={"forward": dataclasses.replace(half)}, quantities=frozenset(quantities))
    start = time.perf_counter()
    recurrence.sequences()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
