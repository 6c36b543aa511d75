"""The adding problem (Hochreiter and Schmidhuber, 1997): a task that can only be learned by looking far back."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

#: The mean squared error of a net that always answers the mean: what is reached without any memory.
LOSS_WITHOUT_MEMORY = 1 / 6


def adding_problem(sequences: int, timesteps: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Random numbers, two of them marked; the target is the sum of those two.

    One mark lies in the first tenth of the timesteps, the other in the second half, so at least 4/10 of the sequence
    lies between them.

    Returns:
        Inputs (sequences, timesteps, 2), of which channel 0 is the numbers and channel 1 the marks, and targets
        (sequences, 1).
    """
    x = np.zeros((sequences, timesteps, 2), np.float32)
    x[:, :, 0] = rng.uniform(0, 1, (sequences, timesteps))
    rows = np.arange(sequences)
    x[rows, rng.integers(0, max(timesteps // 10, 1), sequences), 1] = 1
    x[rows, rng.integers(timesteps // 2, timesteps, sequences), 1] = 1
    return x, (x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True)
