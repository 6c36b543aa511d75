"""Histories of layers, and losses, out of TensorBoard's data provider. Knows no HTTP."""

import concurrent.futures
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from tensorboard.data import provider

from tb_rnn_plugin.diagnostics.histories import LayerHistory, QuantityHistory, quantity_history
from tb_rnn_plugin.diagnostics.thresholds import Thresholds
from tb_rnn_plugin.serving.newest_cache import NewestCache
from tb_rnn_plugin.serving.query import ListedRun, ListedSeries, Listing, NotFoundError, RnnData, SeriesKey

_HISTORIES_CACHED = 1024
# The data server answers them side by side; what is read is then decoded one by one.
_READERS = 8
_LOSS_STEPS = 200


@dataclasses.dataclass(frozen=True)
class Loss:
    """A scalar of the user's own that is named so."""

    run: str
    tag: str
    steps: list[int]
    values: list[float]


class HistoryData:
    """What is diagnosed, read through TensorBoard's provider and kept until there is something newer."""

    def __init__(self, data: RnnData, data_provider: provider.DataProvider) -> None:
        """Takes the light summaries, and the provider for the user's scalars."""
        self._data = data
        self._provider = data_provider
        self._histories: NewestCache[QuantityHistory] = NewestCache(_HISTORIES_CACHED)
        self._readers = concurrent.futures.ThreadPoolExecutor(_READERS, thread_name_prefix="tb_rnn_plugin health")

    def listing(self, context: Any, experiment: str) -> Listing:
        """The runs, layers and quantities that there are."""
        return self._data.listing(context, experiment)

    def layers(
        self,
        context: Any,  # TensorBoard's RequestContext
        experiment: str,
        run: ListedRun,
        layers: frozenset[str] | None,
        thresholds: Thresholds,
    ) -> list[LayerHistory]:
        """The histories of a run's layers, in model order; None: of all of them."""
        wanted = [one for one in run.series if layers is None or one.metadata.layer.name in layers]

        def read(one: ListedSeries) -> QuantityHistory | None:
            if one.summaries_version is None:  # a loader that has read the arrays, and not yet the summaries
                return None
            series = SeriesKey(run.run, one.metadata.layer.name, one.metadata.quantity)
            try:
                return self._history(context, experiment, series, one, thresholds)
            except NotFoundError:  # a loader that has just dropped them
                return None

        found: dict[str, tuple[ListedSeries, dict[str, QuantityHistory]]] = {}
        for one, history in zip(wanted, self._readers.map(read, wanted), strict=True):
            if history is not None and history.steps.size:
                found.setdefault(one.metadata.layer.name, (one, {}))[1][history.quantity] = history
        return [LayerHistory(one.metadata.layer, quantities) for one, quantities in found.values()]

    def _history(
        self, context: Any, experiment: str, series: SeriesKey, listed: ListedSeries, thresholds: Thresholds
    ) -> QuantityHistory:
        def read() -> QuantityHistory:
            summaries = self._data.summaries(context, experiment, series)
            return quantity_history(
                listed.metadata.layer,
                series.quantity,
                [one.step for one in summaries],
                [one.summary for one in summaries],
                thresholds,
            )

        # Of the listing that is answered from: to list each series anew takes 44 ms, and most have not changed.
        return self._histories.get((experiment, series, thresholds), listed.summaries_version, read)

    def losses(self, context: Any, experiment: str, runs: Sequence[str]) -> dict[str, Loss]:
        """Of each run the scalar, its own or of the run "train" below it, that seems to be its loss, if there is one.

        All runs are asked for at once: each question takes 44 ms, whatever it is about.
        """
        places = {run: (run, f"{run}/train" if run != "." else "train") for run in runs}
        listed = self._provider.list_scalars(
            context,
            experiment_id=experiment,
            plugin_name="scalars",
            run_tag_filter=provider.RunTagFilter(runs=sorted({one for own in places.values() for one in own})),
        )
        chosen: dict[str, tuple[str, str]] = {}
        for run, own in places.items():
            tags = ((one, _loss_tag(list(listed.get(one, {})))) for one in own)
            found = next(((one, tag) for one, tag in tags if tag is not None), None)
            if found is not None:
                chosen[run] = found
        if not chosen:
            return {}
        read = self._provider.read_scalars(
            context,
            experiment_id=experiment,
            plugin_name="scalars",
            downsample=_LOSS_STEPS,
            run_tag_filter=provider.RunTagFilter(
                runs=sorted({one for one, _ in chosen.values()}), tags=sorted({tag for _, tag in chosen.values()})
            ),
        )
        return {run: _loss(one, tag, read.get(one, {}).get(tag, ())) for run, (one, tag) in chosen.items()}


def _loss(run: str, tag: str, data: Sequence[Any]) -> Loss:  # data as the provider gives them
    return Loss(run, tag, [datum.step for datum in data], [float(datum.value) for datum in data])


def _loss_tag(tags: Sequence[str]) -> str | None:
    """The tag that is most likely the training loss: "loss" itself, or else the shortest that has it as a word."""
    named = [tag for tag in tags if "loss" in tag.lower() and "val" not in tag.lower()]
    return min(named, key=lambda tag: (tag.lower() != "loss", len(tag), tag), default=None)


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN and no Inf."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
