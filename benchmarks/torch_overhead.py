"""What logging costs a train step of PyTorch: LSTM 256, batch 16, 100 timesteps, 128 inputs, 4 samples kept."""

import itertools
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from benchmarks.alternation import Variant, compare
from tb_rnn_plugin import rnn_summary

UNITS, INPUTS, BATCH, TIMESTEPS = 256, 128, 16, 100
ROUNDS = 12
BINS = 64
SAMPLES = 4
_MOST_WAITING = 8

SEQUENCES = ("activation", "output_gradient")
WITH_WEIGHTS = (*SEQUENCES, "weights", "weight_gradients")


class Network(torch.nn.Module):
    """An LSTM and a linear layer over every timestep."""

    def __init__(self) -> None:
        """Makes both."""
        super().__init__()
        self.lstm = torch.nn.LSTM(INPUTS, UNITS, batch_first=True)
        self.head = torch.nn.Linear(UNITS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(samples, timesteps, inputs) to (samples, timesteps, 1)."""
        return self.head(self.lstm(x)[0])  # type: ignore[no-any-return]


#: What is called after each backward pass, made from the network and a directory of its own.
Logger = Callable[[int], None]


def plain(_: Network, __: Path) -> Logger:
    """Nothing is logged."""
    return lambda _: None


def own(*, every: int, quantities: tuple[str, ...] | None = None) -> Callable[[Network, Path], Logger]:
    """This package."""

    def attached(network: Network, directory: Path) -> Logger:
        taps = rnn_summary.attach(network, every=every, quantities=quantities)

        def log(step: int) -> None:
            rnn_summary.write(taps, step=step, writer=directory)

        return log

    return attached


def histograms(*, matrices: bool) -> Callable[[Network, Path], Logger]:
    """The peer: torch's own SummaryWriter.add_histogram, of the same tensors."""

    def hooked(network: Network, directory: Path) -> Logger:
        writer = SummaryWriter(str(directory))
        kept = _tensors(network)

        def log(step: int) -> None:
            tensors = dict(kept)
            if matrices:
                for name, parameter in network.lstm.named_parameters():
                    tensors[name] = parameter
                    if parameter.grad is not None:
                        tensors[f"{name}/gradient"] = parameter.grad
            for name, tensor in tensors.items():
                writer.add_histogram(name, tensor.detach(), step)

        return log

    return hooked


def hooks(network: Network, _: Path) -> Logger:
    """The peer: hooks as wandb.watch puts them, which count 64 bins of each tensor in torch; nothing is written."""
    kept = _tensors(network)

    def log(_: int) -> None:
        for tensor in [*kept.values(), *(p.grad for p in network.lstm.parameters() if p.grad is not None)]:
            flat = tensor.detach().reshape(-1)
            flat = flat[torch.isfinite(flat)]
            low, high = flat.min().item(), flat.max().item()
            torch.histc(flat, bins=BINS, min=low, max=high).tolist()

    return log


def bare_copies(*, matrices: bool) -> Callable[[Network, Path], Logger]:
    """The floor: what is kept of these tensors, copied and written as bare bytes from a thread.

    Nothing is counted, checked or named, and only the samples that are kept are looked at.
    """

    def hooked(network: Network, directory: Path) -> Logger:
        kept = _tensors(network)
        waiting: queue.Queue[list[torch.Tensor]] = queue.Queue(_MOST_WAITING)
        directory.mkdir()
        file = (directory / "bytes").open("wb", buffering=0)

        def write() -> None:
            while True:
                for tensor in waiting.get():
                    file.write(tensor.numpy().data.cast("B"))

        threading.Thread(target=write, daemon=True).start()

        def log(_: int) -> None:
            tensors = [tensor[:SAMPLES] for tensor in kept.values()]
            if matrices:
                parameters = list(network.lstm.parameters())
                tensors += [*parameters, *(p.grad for p in parameters if p.grad is not None)]
            waiting.put([tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in tensors])

        return log

    return hooked


def _tensors(network: Network) -> dict[str, torch.Tensor]:
    """The LSTM's output of the last pass and its gradient, as hooks find them."""
    kept: dict[str, torch.Tensor] = {}

    def keep(_: torch.nn.Module, __: Any, outputs: tuple[torch.Tensor, Any]) -> None:
        kept["activation"] = outputs[0]
        outputs[0].register_hook(lambda gradient: kept.update(output_gradient=gradient))  # type: ignore[no-untyped-call]

    network.lstm.register_forward_hook(keep)
    return kept


VARIANTS: dict[str, tuple[Callable[[Network, Path], Logger], float | None]] = {
    "plain train step": (plain, None),
    "taps attached, nothing written": (own(every=10**9), None),
    "every 50 steps, everything": (own(every=50), 1.005),
    "every step, activations and output gradients": (own(every=1, quantities=SEQUENCES), 1.05),
    "every step, weights and weight gradients too": (own(every=1, quantities=WITH_WEIGHTS), 1.20),
    "floor: bare copies of activations and output gradients": (bare_copies(matrices=False), None),
    "floor: bare copies of all of these": (bare_copies(matrices=True), None),
    "peer: add_histogram of activations and gradients": (histograms(matrices=False), None),
    "peer: add_histogram of all of these": (histograms(matrices=True), None),
    "peer: hooks as wandb's, of activations and all gradients": (hooks, None),
}


def training(logger: Callable[[Network, Path], Logger], directory: Path) -> Iterator[None]:
    """Train steps, one for each item."""
    torch.manual_seed(0)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters())
    x, y = torch.randn(BATCH, TIMESTEPS, INPUTS), torch.randn(BATCH, TIMESTEPS, 1)
    log = logger(network, directory)
    for step in itertools.count():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(x), y).backward()  # type: ignore[no-untyped-call]
        log(step)
        optimizer.step()
        yield


def main() -> None:
    """Measures every variant."""
    with tempfile.TemporaryDirectory() as directory:
        compare(
            f"PyTorch: LSTM {UNITS}, batch {BATCH}, {TIMESTEPS} timesteps, {INPUTS} inputs",
            {
                name: Variant(training(logger, Path(directory) / str(index)), limit)
                for index, (name, (logger, limit)) in enumerate(VARIANTS.items())
            },
            rounds=ROUNDS,
        )
        rnn_summary.close()


if __name__ == "__main__":
    main()
