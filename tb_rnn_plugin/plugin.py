"""TBPlugin: parses a request, asks query.py, answers. Documented in http_api.md.

Each `_x` route parses and answers; its `x_impl` takes and returns plain values.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import mimetypes
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response
from werkzeug.security import safe_join

from tb_rnn_plugin import __version__, metadata, parameters
from tb_rnn_plugin.block_statistics import block_statistics
from tb_rnn_plugin.encoding import ArrayKey, to_bfloat16
from tb_rnn_plugin.parameters import Layout
from tb_rnn_plugin.pooling import block_length, pool
from tb_rnn_plugin.query import (
    KeptStep,
    Listing,
    NotFoundError,
    RnnData,
    SeriesKey,
    SummaryStep,
    as_matrix,
    count_nonfinite,
)
from tb_rnn_plugin.record import MATRIX_QUANTITIES, FloatArray
from tb_rnn_plugin.rnn_data_pb2 import Layer, QuantitySummary

logger = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_ENTRY = "index.js"

_ALIGNMENT = 8

_NOT_BUILT = """\
export function render() {
  const note = document.createElement("p");
  note.style.cssText = "font: 14px sans-serif; padding: 2em; background: white; color: black";
  note.textContent = "tb_rnn_plugin was installed without its frontend. " +
    "Reinstall it: pip install --force-reinstall tb-rnn-plugin";
  document.body.append(note);
}
"""


_Handler = Callable[["RnnPlugin", Request], Response]


def _route(handler: _Handler) -> Callable[["RnnPlugin", dict[str, Any], Any], Iterable[bytes]]:
    """A WSGI application of a handler, which answers every error as JSON."""

    @functools.wraps(handler)
    def application(self: "RnnPlugin", environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        try:
            if request.method not in {"GET", "HEAD"}:
                response = _error(request, 405, f"method: expected GET, got {request.method}.")
                response.headers["Allow"] = "GET, HEAD"
            else:
                response = handler(self, request)
        except parameters.BadRequestError as error:
            response = _error(request, 400, str(error))
        except (NotFoundError, errors.NotFoundError) as error:
            response = _error(request, 404, str(error))
        except errors.PublicError as error:
            response = _error(request, error.http_code, str(error))
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.full_path)
            response = _error(
                request, 500, f"tb_rnn_plugin failed ({type(error).__name__}); TensorBoard's log says more."
            )
        return response(environ, start_response)

    return application


def _error(request: Request, status: int, message: str) -> Response:
    response: Response = http_util.Respond(request, {"error": message}, "application/json", code=status)
    return response


class RnnPlugin(base_plugin.TBPlugin):
    """The RNN tab: its frontend, and the data that it asks for."""

    plugin_name = metadata.PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        """Takes TensorBoard's context; reads nothing yet."""
        super().__init__(context)
        self._data = RnnData(context.data_provider)

    def get_plugin_apps(self) -> dict[str, Any]:
        """The routes, below /data/plugin/rnn/."""
        return {
            "/index": self._index,
            "/series": self._series,
            "/statistics": self._statistics,
            "/arrays": self._arrays,
            f"/{_ENTRY}": self._entry,
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
        return base_plugin.FrontendMetadata(es_module_path=f"/{_ENTRY}", tab_name="RNN")

    @_route
    def _index(self, request: Request) -> Response:
        listing = self._data.listing(*_experiment(request))
        content = index_impl(listing)
        content["revision"] = _digest(json.dumps(content, sort_keys=True))
        response = http_util.Respond(request, content, "application/json")
        return _revalidated(request, response, content["revision"])

    @_route
    def _series(self, request: Request) -> Response:
        experiment = _experiment(request)

        def answer(series: SeriesKey) -> dict[str, Any]:
            summaries = self._data.summaries(*experiment, series)
            try:
                kept = self._data.kept_steps(*experiment, series)
            except NotFoundError:  # a loader that has read the summaries, and not yet the arrays
                kept = {}
            return series_impl(series, summaries, list(kept.values()))

        return _answer_each_series(request, "series", answer)

    @_route
    def _statistics(self, request: Request) -> Response:
        experiment = _experiment(request)
        fields = parameters.statistics_fields(request)
        steps = parameters.optional_steps(request)

        def answer(series: SeriesKey) -> dict[str, Any]:
            summaries = self._data.summaries(*experiment, series)
            return statistics_impl(series, [one for one in summaries if steps is None or one.step in steps], fields)

        return _answer_each_series(request, "statistics", answer)

    @_route
    def _arrays(self, request: Request) -> Response:
        experiment = _experiment(request)
        keys = parameters.array_keys(request)
        layout = parameters.layout(request)
        series = parameters.series_keys(request, parameters.MOST_RUNS_OF_ARRAYS)
        steps = parameters.steps(request, len(series))
        wanted: list[tuple[SeriesKey, KeptStep, Sequence[ArrayKey] | None]] = []
        missing: list[dict[str, Any]] = []
        for key, step in zip(series, steps, strict=True):
            try:
                wanted.append((key, self._data.kept_step(*experiment, key, step), keys))
            except NotFoundError as error:
                missing.append(_missing(key, step, ArrayKey(), str(error)))
        if not wanted:
            raise NotFoundError(missing[0]["reason"])
        etag = _digest(repr((experiment[1], wanted, missing, layout)))
        if request.if_none_match.contains(etag):
            return _revalidated(request, Response(), etag)
        return self._answer_arrays(request, experiment, wanted, missing, layout, etag)

    def _answer_arrays(
        self,
        request: Request,
        experiment: tuple[Any, str],
        wanted: Sequence[tuple[SeriesKey, KeptStep, Sequence[ArrayKey] | None]],
        missing: list[dict[str, Any]],
        layout: Layout,
        etag: str,
    ) -> Response:
        described: list[dict[str, Any]] = []
        payloads: list[bytes] = []
        offset = 0
        unread = False
        for (series, kept, _), arrays in zip(wanted, self._data.arrays(*experiment, wanted), strict=True):
            for read in arrays:
                if read.array is None:
                    unread = True
                    missing.append(_missing(series, kept.step, read.key, read.reason))
                    continue
                description, payload = arrays_impl(series, kept, read.key, read.array, layout)
                described.append({**description, "offset": offset, "bytes": len(payload)})
                payloads.append(payload + bytes(-len(payload) % _ALIGNMENT))
                offset += len(payloads[-1])
        if not described:
            raise NotFoundError(missing[0]["reason"])
        head = json.dumps({"arrays": described, "missing": missing}).encode()
        head += b" " * (-(4 + len(head)) % _ALIGNMENT)
        body = b"".join([len(head).to_bytes(4, "little"), head, *payloads])
        response = http_util.Respond(request, body, "application/octet-stream")
        # What could not be read now may be read the next time, under the same tag.
        return response if unread else _revalidated(request, response, etag)

    @_route
    def _entry(self, request: Request) -> Response:
        return _static_response(request, _ENTRY)

    @_route
    def _static(self, request: Request) -> Response:
        return _static_response(request, request.path.partition("/static/")[2])


def _answer_each_series(request: Request, name: str, answer: Callable[[SeriesKey], dict[str, Any]]) -> Response:
    """What is answered of each series asked for, below `name`, and which of them there are not."""
    found: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for series in parameters.series_keys(request, parameters.MOST_SERIES):
        try:
            found.append(answer(series))
        except NotFoundError as error:
            missing.append({**dataclasses.asdict(series), "reason": str(error)})
    if not found:
        raise NotFoundError(missing[0]["reason"])
    content = {name: found, "missing": missing}
    response = http_util.Respond(request, content, "application/json")
    return _revalidated(request, response, _digest(json.dumps(content)))


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


def statistics_impl(series: SeriesKey, summaries: Sequence[SummaryStep], fields: Sequence[str]) -> dict[str, Any]:
    """The statistics of one series as JSON has them."""
    return {
        **dataclasses.asdict(series),
        "steps": [step.step for step in summaries],
        "wall_times": [step.wall_time for step in summaries],
        "blocks": block_statistics(summaries, fields),
    }


def _largest_magnitude(summary: QuantitySummary) -> float | None:
    """None when nothing is finite: JSON has no other way to say it."""
    finite = [part for part in summary.statistics if part.count > part.nan_count + part.inf_count]
    return max((max(abs(part.minimum), abs(part.maximum)) for part in finite), default=None)


def arrays_impl(
    series: SeriesKey, kept: KeptStep, key: ArrayKey, array: FloatArray, layout: Layout
) -> tuple[dict[str, Any], bytes]:
    """One array: what JSON says of it, and its bytes."""
    full = as_matrix(array)
    row_block = block_length(full.shape[0], layout.max_rows)
    column_block = block_length(full.shape[1], layout.max_columns)
    pooled = pool(full, row_block, column_block)
    nan, inf = count_nonfinite(full)
    payload = to_bfloat16(pooled).astype("<u2") if layout.dtype == "bfloat16" else pooled.astype("<f4", copy=False)
    return {
        **dataclasses.asdict(series),
        "step": kept.step,
        "wall_time": kept.wall_time,
        **_array_key_json(key),
        "shape": list(pooled.shape),
        "full_shape": list(full.shape),
        "row_block": row_block,
        "column_block": column_block,
        "dtype": layout.dtype,
        "nan": nan,
        "inf": inf,
    }, payload.tobytes()


def _array_key_json(key: ArrayKey) -> dict[str, Any]:
    return {"sample": key.sample, "matrix": f"{key.direction}/{key.matrix}" if key.matrix else None}


def _missing(series: SeriesKey, step: int, key: ArrayKey, reason: str) -> dict[str, Any]:
    return {**dataclasses.asdict(series), "step": step, **_array_key_json(key), "reason": reason}


def _experiment(request: Request) -> tuple[Any, str]:
    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)


def _static_response(request: Request, name: str) -> Response:
    path = safe_join(str(_STATIC), name)
    try:
        content = Path(path).read_bytes() if path is not None else None
    except (OSError, ValueError):  # no such file, a directory, or a name that can't be one
        content = None
    if content is None:
        if name != _ENTRY:
            raise NotFoundError(f"there is no static file {name!r}.")
        content = _NOT_BUILT.encode()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):  # some systems say text/plain, which a browser does not import
        kind = "text/javascript"
    return _revalidated(request, http_util.Respond(request, content, kind), hashlib.sha256(content).hexdigest())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _revalidated(request: Request, response: Response, etag: str) -> Response:
    """The response, or a 304 without a body when the browser has this very one."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.pop("Expires", None)
    response.set_etag(etag)
    return response.make_conditional(request)
