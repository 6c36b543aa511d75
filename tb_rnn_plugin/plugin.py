"""TBPlugin: parses a request, asks serving/query.py, answers. Documented in http_api.md.

Each `_x` route parses and answers; its `x_impl` takes and returns plain values.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response

from tb_rnn_plugin import __version__, metadata
from tb_rnn_plugin.diagnostics.catalogue import UPDATE_RATIO
from tb_rnn_plugin.encoding import ArrayKey
from tb_rnn_plugin.record import MATRIX_QUANTITIES
from tb_rnn_plugin.rnn_data_pb2 import Layer, QuantitySummary
from tb_rnn_plugin.serving import parameters
from tb_rnn_plugin.serving.array_answer import Entry, arrays_impl, missing_json, packed
from tb_rnn_plugin.serving.array_layout import EmptyRegionError, Layout
from tb_rnn_plugin.serving.binned_histograms import Block, Histogram, binned_histograms
from tb_rnn_plugin.serving.block_statistics import LIST_FIELDS, block_statistics
from tb_rnn_plugin.serving.channel_order import ChannelOrder, channel_order
from tb_rnn_plugin.serving.health_answer import health_answer
from tb_rnn_plugin.serving.history_data import HistoryData
from tb_rnn_plugin.serving.newest_cache import NewestCache
from tb_rnn_plugin.serving.profiles_answer import profiles_answer
from tb_rnn_plugin.serving.query import (
    KeptStep,
    Listing,
    NotFoundError,
    RnnData,
    SeriesKey,
    SummaryStep,
)
from tb_rnn_plugin.serving.responses import bytes_answer, digest, experiment_of, json_answer, revalidated, route
from tb_rnn_plugin.serving.static_files import ENTRY, static_answer
from tb_rnn_plugin.serving.timescales_answer import timescales_answer
from tb_rnn_plugin.serving.update_ratios import update_ratios

_ORDERS_CACHED = 512


class RnnPlugin(base_plugin.TBPlugin):
    """The RNN tab: its frontend, and the data that it asks for."""

    plugin_name = metadata.PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        """Takes TensorBoard's context; reads nothing yet."""
        super().__init__(context)
        self._data = RnnData(context.data_provider)
        self._histories = HistoryData(self._data, context.data_provider)
        self._orders: NewestCache[ChannelOrder] = NewestCache(_ORDERS_CACHED)

    def get_plugin_apps(self) -> dict[str, Any]:
        """The routes, below /data/plugin/rnn/."""
        return {
            "/index": self._index,
            "/series": self._series,
            "/statistics": self._statistics,
            "/arrays": self._arrays,
            "/profiles": self._profiles,
            "/health": self._health,
            "/timescales": self._timescales,
            f"/{ENTRY}": self._entry,
            "/static/*": self._static,
        }

    def is_active(self) -> bool:
        """False: TensorBoard shows the tab by itself once a run has data of `data_plugin_names`."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Both names under which our data is stored."""
        return metadata.PLUGIN_NAME, metadata.ARRAYS_PLUGIN_NAME

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The tab is called RNN; its page is ours, loaded in a frame."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{ENTRY}", tab_name="RNN")

    @route
    def _index(self, request: Request) -> Response:
        listing = self._data.listing(*experiment_of(request))
        content = index_impl(listing)
        content["revision"] = digest(json.dumps(content, sort_keys=True))
        response = http_util.Respond(request, content, "application/json")
        return revalidated(request, response, content["revision"])

    @route
    def _series(self, request: Request) -> Response:
        experiment = experiment_of(request)

        def answer(series: SeriesKey) -> dict[str, Any]:
            summaries = self._data.summaries(*experiment, series)
            try:
                kept = self._data.kept_steps(*experiment, series)
            except NotFoundError:  # a loader that has read the summaries, and not yet the arrays
                kept = {}
            return series_impl(series, summaries, list(kept.values()))

        return _answer_each_series(request, "series", answer, parameters.MOST_SERIES)

    @route
    def _statistics(self, request: Request) -> Response:
        experiment = experiment_of(request)
        fields = parameters.statistics_fields(request)
        steps = parameters.optional_steps(request)
        bins = parameters.bins(request)
        single_numbers = bins is None and LIST_FIELDS.isdisjoint(fields)

        def answer(series: SeriesKey) -> dict[str, Any]:
            summaries = self._data.summaries(*experiment, series)
            wanted = [one for one in summaries if steps is None or one.step in steps]
            if bins is None:
                return statistics_impl(series, wanted, fields)
            return statistics_impl(
                series, wanted, fields, binned_histograms(self._data, experiment, series, wanted, bins)
            )

        most = parameters.MOST_SERIES if single_numbers else parameters.MOST_RUNS_OF_ARRAYS
        return _answer_each_series(request, "statistics", answer, most)

    @route
    def _arrays(self, request: Request) -> Response:
        experiment = experiment_of(request)
        keys = parameters.array_keys(request)
        layout = parameters.layout(request)
        series = parameters.series_keys(request, parameters.MOST_RUNS_OF_ARRAYS)
        if layout.order is not None and any(key.quantity in MATRIX_QUANTITIES for key in series):
            raise parameters.BadRequestError("order: expected a quantity of timesteps and channels, got matrices.")
        steps = parameters.steps(request, len(series))
        order_steps = parameters.order_steps(request, len(series)) or steps
        wanted: list[tuple[SeriesKey, KeptStep, Sequence[ArrayKey] | None]] = []
        ordered: list[KeptStep] = []
        missing: list[dict[str, Any]] = []
        for key, step, order_step in zip(series, steps, order_steps, strict=True):
            try:
                kept, like = (self._data.kept_step(*experiment, key, at) for at in (step, order_step))
            except NotFoundError as error:
                missing.append(missing_json(key, step, ArrayKey(), str(error)))
                continue
            wanted.append((key, kept, keys))
            ordered.append(like)
        if not wanted:
            raise NotFoundError(missing[0]["reason"])
        etag = digest(repr((__version__, experiment[1], wanted, ordered, missing, layout)))
        if request.if_none_match.contains(etag):
            return bytes_answer(request, b"", etag)  # a 304, for which nothing has to be read
        return self._answer_arrays(request, experiment, wanted, ordered, missing, layout, etag)

    def _answer_arrays(
        self,
        request: Request,
        experiment: tuple[Any, str],
        wanted: Sequence[tuple[SeriesKey, KeptStep, Sequence[ArrayKey] | None]],
        ordered: Sequence[KeptStep],
        missing: list[dict[str, Any]],
        layout: Layout,
        etag: str,
    ) -> Response:
        entries: list[Entry] = []
        unread = False
        found = self._data.arrays(*experiment, wanted)
        for (series, kept, _), like, arrays in zip(wanted, ordered, found, strict=True):
            for read in arrays:
                if read.array is None:
                    unread = True
                    missing.append(missing_json(series, kept.step, read.key, read.reason))
                    continue
                try:
                    order = self._order_of(experiment, series, like, layout, read.array.shape[-1])
                    entries.append(arrays_impl(series, kept, read.key, read.array, layout, order))
                except EmptyRegionError as error:
                    missing.append(missing_json(series, kept.step, read.key, str(error)))
                except NotFoundError as error:
                    unread = True
                    missing.append(missing_json(series, kept.step, read.key, str(error)))
        if not entries:
            raise NotFoundError(missing[0]["reason"])
        # What could not be read now may be read the next time, under the same tag.
        return bytes_answer(request, packed(entries, missing), None if unread else etag)

    def _order_of(
        self, experiment: tuple[Any, str], series: SeriesKey, kept: KeptStep, layout: Layout, channels: int
    ) -> ChannelOrder | None:
        """The order that is asked for, of the sample that it is to be of.

        Raises:
            NotFoundError: If there is no such sample, or it does not have as many channels as are to be ordered.
        """
        measure, sample = layout.order, layout.order_sample
        if measure is None:
            return None

        def made() -> ChannelOrder:
            ((read,),) = self._data.arrays(*experiment, [(series, kept, [ArrayKey(sample=sample)])])
            if read.array is None:
                raise NotFoundError(f"order_sample: {read.reason}")
            return channel_order(read.array, measure, layout.split)

        order = self._orders.get((experiment[1], series, kept.step, measure, sample, layout.split), kept, made)
        if len(order) != channels:
            raise NotFoundError(f"order_step: step {kept.step} has {len(order)} channels, and here are {channels}.")
        return order

    @route
    def _profiles(self, request: Request) -> Response:
        return profiles_answer(self._data, request)

    @route
    def _health(self, request: Request) -> Response:
        return health_answer(self._histories, request)

    @route
    def _timescales(self, request: Request) -> Response:
        return timescales_answer(self._data, request)

    @route
    def _entry(self, request: Request) -> Response:
        return static_answer(request, ENTRY)

    @route
    def _static(self, request: Request) -> Response:
        return static_answer(request, request.path.partition("/static/")[2])


def _answer_each_series(
    request: Request, name: str, answer: Callable[[SeriesKey], dict[str, Any]], most: int
) -> Response:
    """What is answered of each of at most so many series, below `name`, and which of them there are not."""
    found: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for series in parameters.series_keys(request, most):
        try:
            found.append(answer(series))
        except NotFoundError as error:
            missing.append({**dataclasses.asdict(series), "reason": str(error)})
    if not found:
        raise NotFoundError(missing[0]["reason"])
    content = {name: found, "missing": missing}
    return json_answer(request, content)


def index_impl(listing: Listing) -> dict[str, Any]:
    """The index as JSON has it."""
    runs = []
    for run in listing.runs:
        layers: dict[str, dict[str, Any]] = {}
        for series in run.series:
            layer = layers.setdefault(series.metadata.layer.name, _layer_json(series.metadata.layer))
            layer["quantities"].append(
                {
                    "quantity": series.metadata.quantity,
                    "kind": "matrices" if series.metadata.quantity in MATRIX_QUANTITIES else "sequence",
                    "last_step": series.last_step,
                    "last_wall_time": series.last_wall_time,
                }
            )
        runs.append({"run": run.run, "position": run.position, "layers": list(layers.values())})
    return {"version": __version__, "experiment_has_runs": listing.experiment_has_runs, "runs": runs}


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "cell": layer.cell or None,
        "units": layer.units or None,
        "directions": list(layer.directions),
        "gates": list(layer.gates),
        "space": list(layer.space),
        "framework": layer.framework,
        "quantities": [],
    }


def series_impl(series: SeriesKey, summaries: Sequence[SummaryStep], kept: Sequence[KeptStep]) -> dict[str, Any]:
    """One series as JSON has it."""
    sequences = series.quantity not in MATRIX_QUANTITIES
    return {
        **dataclasses.asdict(series),
        "steps": [step.step for step in summaries],
        "wall_times": [step.wall_time for step in summaries],
        "array_steps": [step.step for step in kept],
        "array_wall_times": [step.wall_time for step in kept],
        "shapes": [list(step.summary.shape) for step in summaries] if sequences else None,
        "samples_kept": [step.summary.samples_kept for step in summaries] if sequences else None,
        "nan": [sum(part.nan_count for part in step.summary.statistics) for step in summaries],
        "inf": [sum(part.inf_count for part in step.summary.statistics) for step in summaries],
        "largest": [_largest_magnitude(step.summary) for step in summaries],
    }


def statistics_impl(
    series: SeriesKey,
    summaries: Sequence[SummaryStep],
    fields: Sequence[str],
    binned: Sequence[Mapping[Block, Histogram]] | None = None,
) -> dict[str, Any]:
    """The statistics of one series as JSON has them; with the histograms that were counted anew, if any were."""
    blocks = block_statistics(summaries, [field for field in fields if field != UPDATE_RATIO])
    if binned is not None:
        for block in blocks:
            name = (block["direction"], block["matrix"], block["gate"])
            block["binned"] = [of_step.get(name) for of_step in binned]
    return {
        **dataclasses.asdict(series),
        "steps": [step.step for step in summaries],
        "wall_times": [step.wall_time for step in summaries],
        "blocks": blocks,
        **({"matrices": update_ratios(summaries)} if UPDATE_RATIO in fields else {}),
    }


def _largest_magnitude(summary: QuantitySummary) -> float | None:
    """None when nothing is finite: JSON has no other way to say it."""
    finite = [part for part in summary.statistics if part.count > part.nan_count + part.inf_count]
    return max((max(abs(part.minimum), abs(part.maximum)) for part in finite), default=None)
