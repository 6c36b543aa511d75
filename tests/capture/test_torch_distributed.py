# mypy: allow-untyped-calls
"""Taps under DistributedDataParallel: two processes give what one gives with the joined batch."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from tb_rnn_plugin import rnn_summary
from tb_rnn_plugin.record import LayerRecord
from tb_rnn_plugin.recurrence.layer import is_derived

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
import torch  # noqa: E402
from torch import distributed as dist  # noqa: E402
from torch import nn  # noqa: E402
from torch._C._distributed_c10d import FileStore  # noqa: E402
from torch.multiprocessing.spawn import spawn  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

from tb_rnn_plugin.capture.torch import entry as capture_torch  # noqa: E402
from tb_rnn_plugin.capture.torch import ranks as torch_ranks  # noqa: E402
from tests.capture.test_torch_tools import told, tolerance  # noqa: E402

if not dist.is_available():
    pytest.skip("this PyTorch has no torch.distributed", allow_module_level=True)

SAMPLES, STEPS = 6, 3
TOLERANCE = tolerance(1e-5)
NAMES = ["body/layer_0", "body/layer_1", "cell", "head"]


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.GRU(3, 4, 2, batch_first=True)
        self.cell = nn.LSTMCell(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.body(x)
        state = None
        for t in range(3):
            state = self.cell(hidden[:, t], state)
        assert state is not None
        made: torch.Tensor = self.head(state[0])
        return made


def train(model: nn.Module, directory: Path, part: slice, *, writes: bool = True) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    generator = torch.Generator().manual_seed(2)
    with capture_torch.attach(model, every=2, samples=None, layers="*") as taps:
        for step in range(STEPS):
            x, y = torch.randn(SAMPLES, 5, 3, generator=generator), torch.randn(SAMPLES, 2, generator=generator)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[part]), y[part]).backward()
            if writes:
                rnn_summary.write(taps, step=step, writer=directory, on_finding=lambda _: None)
            optimizer.step()
    rnn_summary.flush(directory, on_finding=lambda _: None)


def process(rank: int, directory: str) -> None:
    """One of the two processes; what it raises fails the test."""
    torch.set_num_threads(1)
    store = FileStore(f"{directory}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=dt.timedelta(seconds=60))
    train_distributed(rank, Path(directory) / f"all_write_{rank}")
    torch_ranks.PATIENCE = dt.timedelta(seconds=0.5)
    with told("write in every process", times=1 if rank == 0 else 0):
        train_distributed(rank, Path(directory) / f"first_writes_{rank}", writes=rank == 0)
    dist.destroy_process_group()


def train_distributed(rank: int, logs: Path, *, writes: bool = True) -> None:
    torch.manual_seed(1)
    train(DistributedDataParallel(Model()), logs, slice(3 * rank, 3 * rank + 3), writes=writes)
    dist.barrier()
    assert logs.exists() == (rank == 0)


Written = list[tuple[int, LayerRecord]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one process wrote, and two."""
    made = tmp_path_factory.mktemp("distributed")
    spawn(process, (str(made),), nprocs=2)
    torch.manual_seed(1)
    train(Model(), made / "one", slice(None))
    return made


def read(directory: Path) -> Written:
    assert len(list(directory.iterdir())) == 1
    return list(rnn_summary.read(directory))


@pytest.mark.framework_case("PyTorch", "DistributedDataParallel, 2 processes")
def test_as_one_process_on_the_joined_batch(directory: Path) -> None:
    made, expected = read(directory / "all_write_0"), read(directory / "one")
    assert [(step, each.name) for step, each in made] == [(step, name) for step in (0, 2) for name in NAMES]
    for (_, actual), (_, wanted) in zip(made, expected, strict=True):
        assert set(actual.sequences) == set(wanted.sequences)
        assert {"activation", "output_gradient"} <= set(actual.sequences)
        for quantity, values in wanted.sequences.items():
            found = actual.sequences[quantity]
            assert len(found) in ({len(values), len(values) // 2} if is_derived(quantity) else {len(values)})
            # What is computed is of the first process's samples.
            np.testing.assert_allclose(found, values[: len(found)], **TOLERANCE, err_msg=quantity)
        for matrices, of in ((actual.weights, wanted.weights), (actual.weight_gradients, wanted.weight_gradients)):
            assert matrices["forward"].keys() == of["forward"].keys()
            for matrix, values in of["forward"].items():
                np.testing.assert_allclose(matrices["forward"][matrix], values, **TOLERANCE, err_msg=matrix)


def test_a_process_that_never_writes_holds_nobody_up(directory: Path) -> None:
    made, expected = read(directory / "first_writes_0"), read(directory / "one")
    assert [step for step, _ in made] == [0] * 4 + [2] * 4
    for (_, actual), (_, wanted) in zip(made, expected, strict=True):
        for quantity in ("activation", "output_gradient"):
            np.testing.assert_allclose(actual.sequences[quantity], wanted.sequences[quantity][:3], **TOLERANCE)
        for matrix, gradient in wanted.weight_gradients["forward"].items():  # of all processes all the same
            np.testing.assert_allclose(actual.weight_gradients["forward"][matrix], gradient, **TOLERANCE)
