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
            series = SeriesKey(run.run, one.metadata.layer.name, one.metadata.quantity)
            try:
                return self._history(context, experiment, series, one, thresholds)
            except NotFoundError:  # a loader that has read the arrays, and not yet the summaries
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

        version = self._data.summaries_version(context, experiment, series)
        return self._histories.get((experiment, series, thresholds), version, read)

    def loss(self, context: Any, experiment: str, run: str) -> Loss | None:
        """The scalar of a run, or of the run "train" below it, that seems to be its loss."""
        runs = [run, f"{run}/train" if run != "." else "train"]
        listed = self._provider.list_scalars(
            context,
            experiment_id=experiment,
            plugin_name="scalars",
            run_tag_filter=provider.RunTagFilter(runs=runs),
        )
        for one in runs:
            tag = _loss_tag(list(listed.get(one, {})))
            if tag is not None:
                read = self._provider.read_scalars(
                    context,
                    experiment_id=experiment,
                    plugin_name="scalars",
                    downsample=_LOSS_STEPS,
                    run_tag_filter=provider.RunTagFilter(runs=[one], tags=[tag]),
                )
                data = read.get(one, {}).get(tag, [])
                return Loss(one, tag, [datum.step for datum in data], [float(datum.value) for datum in data])
        return None


def _loss_tag(tags: Sequence[str]) -> str | None:
    """The tag that is most likely the training loss: "loss" itself, or else the shortest that has it as a word."""
    named = [tag for tag in tags if "loss" in tag.lower() and "val" not in tag.lower()]
    return min(named, key=lambda tag: (tag.lower() != "loss", len(tag), tag), default=None)


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN and no Inf."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
