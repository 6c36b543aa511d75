"""What is asked of TensorBoard's data provider, as typed values. Knows no HTTP.

Every answer costs what is asked for, not what was logged: arrays are read by their keys, and what was read of a series
is kept until the provider lists something newer.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tensorboard import errors
from tensorboard.data import provider

from tb_rnn_plugin import metadata
from tb_rnn_plugin.encoding import ArrayKey, EncodingError, StoredArrays, decode_summary
from tb_rnn_plugin.record import FloatArray
from tb_rnn_plugin.rnn_data_pb2 import QuantitySummary, SeriesMetadata
from tb_rnn_plugin.serving.newest_cache import NewestCache
from tb_rnn_plugin.serving.restarts import Restart, without_overtaken
from tb_rnn_plugin.serving.series_order import series_order

# The provider samples when it loads; what it kept is all read.
_ALL_KEPT = 10**6
# An answer of TensorBoard's data server has at most 256 MB, and a light summary may have some 20 KB.
_MOST_SUMMARIES = 10_000
_SERIES_CACHED = 512
# Light summaries of 4 KB: together some 200 MB.
_SUMMARIES_CACHED = 50_000
_DIRECTORIES_CACHED = 4096
_READERS = 16

# Of its own keys TensorBoard's data server reads none that JSON has to escape. Our tags are without such characters.
_UNREADABLE_KEY = (
    "TensorBoard's data server can't read arrays of a run with a quotation mark, a backslash or a control character in "
    "its name. Rename the run's directory, or start TensorBoard with --load_fast=false."
)


class NotFoundError(LookupError):
    """There is no such run, layer, quantity, step, sample or matrix; the message says what there is."""


@dataclasses.dataclass(frozen=True)
class SeriesKey:
    """One quantity of one layer in one run."""

    run: str
    layer: str
    quantity: str

    def __str__(self) -> str:
        """For a message."""
        return f"run {self.run!r}, layer {self.layer!r}, quantity {self.quantity!r}"


@dataclasses.dataclass(frozen=True)
class ListedSeries:
    """A series that exists, and how far it has come.

    Attributes:
        metadata: What it is of.
        last_step: The largest step of its light summaries and its arrays.
        last_wall_time: When that was written.
        summaries_version: What changes when a light summary was added; None where there are none.
    """

    metadata: SeriesMetadata
    last_step: int
    last_wall_time: float
    summaries_version: object = None


@dataclasses.dataclass(frozen=True)
class ListedRun:
    """A run with RNN data; `position` is its place among all runs of TensorBoard."""

    run: str
    position: int
    series: list[ListedSeries]


@dataclasses.dataclass(frozen=True)
class Listing:
    """All that there is."""

    runs: list[ListedRun]
    experiment_has_runs: bool


@dataclasses.dataclass(frozen=True)
class KeptStep:
    """A step of a series whose arrays TensorBoard kept, with the keys of their blobs."""

    step: int
    wall_time: float
    blob_keys: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class SummaryStep:
    """A step of a series whose light summary TensorBoard kept."""

    step: int
    wall_time: float
    summary: QuantitySummary


@dataclasses.dataclass(frozen=True)
class _Summaries:
    """The light summaries of a series that still hold, and the restarts of its job that are seen in them."""

    steps: list[SummaryStep]
    restarts: tuple[Restart, ...]


@dataclasses.dataclass(frozen=True)
class ReadArray:
    """One array; or, with a reason, why it can't be had."""

    key: ArrayKey
    array: FloatArray | None
    reason: str = ""


_Value = TypeVar("_Value")


class RnnData:
    """All RNN data of TensorBoard, read through its data provider."""

    def __init__(self, data_provider: provider.DataProvider) -> None:
        """Takes TensorBoard's provider, whichever loader stands behind it."""
        self._provider = data_provider
        self._summaries: NewestCache[_Summaries] = NewestCache(_SUMMARIES_CACHED, lambda read: len(read.steps))
        self._kept: NewestCache[dict[int, KeptStep]] = NewestCache(_SERIES_CACHED)
        self._versions: NewestCache[object] = NewestCache(2 * _SERIES_CACHED)
        self._directories: NewestCache[StoredArrays] = NewestCache(_DIRECTORIES_CACHED)
        # A small blob stalls 44 ms on its way from TensorBoard's data server, so the blobs of an answer are read side
        # by side.
        self._readers = concurrent.futures.ThreadPoolExecutor(_READERS, thread_name_prefix="tb_rnn_plugin")

    def listing(self, context: Any, experiment: str) -> Listing:  # TensorBoard's RequestContext
        """The runs, layers and quantities that there are, in the order of TensorBoard, the model, and the API."""
        runs = sorted(
            self._provider.list_runs(context, experiment_id=experiment),
            key=lambda run: (run.start_time if run.start_time is not None else float("inf"), run.run_name),
        )
        found: dict[str, dict[tuple[str, str], ListedSeries]] = {}
        for list_series, plugin_name in (
            (self._provider.list_tensors, metadata.PLUGIN_NAME),
            (self._provider.list_blob_sequences, metadata.ARRAYS_PLUGIN_NAME),
        ):
            for run, tags in list_series(context, experiment_id=experiment, plugin_name=plugin_name).items():
                for listed in tags.values():
                    series = metadata.parse_series_metadata(listed.plugin_content)
                    # The Python loader lists what it has just dropped all steps of, at a restart, and then no last one.
                    if series is None or listed.max_step is None:
                        continue
                    key = (series.layer.name, series.quantity)
                    known = found.setdefault(run, {}).get(key)
                    version = _newest(listed) if plugin_name == metadata.PLUGIN_NAME else None
                    if known is None or known.last_step < listed.max_step:
                        version = version if known is None else known.summaries_version
                        found[run][key] = ListedSeries(series, listed.max_step, listed.max_wall_time, version)
        # Who has seen a new step in the index must not be answered from before it.
        self._versions.clear()
        return Listing(
            runs=[
                ListedRun(
                    run.run_name,
                    position,
                    sorted(found[run.run_name].values(), key=lambda one: series_order(one.metadata)),
                )
                for position, run in enumerate(runs)
                if run.run_name in found
            ],
            experiment_has_runs=bool(runs),
        )

    def summaries(self, context: Any, experiment: str, series: SeriesKey) -> list[SummaryStep]:
        """The light summaries of a series, by step.

        Raises:
            NotFoundError: If there is no such series.
        """
        return self._read_summaries(context, experiment, series).steps

    def _read_summaries(self, context: Any, experiment: str, series: SeriesKey) -> _Summaries:
        selected = _Selection(experiment, metadata.PLUGIN_NAME, series)
        version = self._version(selected, self._provider.list_tensors, context)

        def read() -> _Summaries:
            steps: list[SummaryStep] = []
            data, restarts = without_overtaken(selected.read(self._provider.read_tensors, context, _MOST_SUMMARIES))
            for datum in data:
                content = datum.numpy.item() if datum.numpy.size == 1 else None
                summary = decode_summary(content) if isinstance(content, bytes) else None
                if summary is not None:
                    steps.append(SummaryStep(datum.step, datum.wall_time, summary))
            return _Summaries(steps, restarts)

        return self._summaries.get(selected, version, read)

    def kept_steps(self, context: Any, experiment: str, series: SeriesKey) -> dict[int, KeptStep]:
        """The steps of a series whose arrays were kept, in order, without those that a restarted job overtook.

        Raises:
            NotFoundError: If there is no such series.
        """
        selected = _Selection(experiment, metadata.ARRAYS_PLUGIN_NAME, series)
        version = self._version(selected, self._provider.list_blob_sequences, context)
        restarts: tuple[Restart, ...] = ()
        with contextlib.suppress(NotFoundError):  # a loader that has read the arrays, and not yet the summaries
            restarts = self._read_summaries(context, experiment, series).restarts

        def read() -> dict[int, KeptStep]:
            return {
                datum.step: KeptStep(datum.step, datum.wall_time, tuple(value.blob_key for value in datum.values))
                for datum in selected.read(self._provider.read_blob_sequences, context, _ALL_KEPT)
                if not any(restart.overtook(datum) for restart in restarts)
            }

        return self._kept.get(selected, (version, restarts), read)

    def _version(self, selected: "_Selection", list_series: Callable[..., Any], context: Any) -> object:
        """What changes when something was added to a series; asked for once a second at most.

        To list a series costs the Python loader a walk through all its steps, which scrubbing would pay at each of
        them.
        """
        now = int(time.monotonic())
        return self._versions.get(selected, now, lambda: selected.version(list_series, context))

    def kept_step(self, context: Any, experiment: str, series: SeriesKey, step: int) -> KeptStep:
        """One step of a series whose arrays were kept.

        Raises:
            NotFoundError: If there is no such series or step.
        """
        kept = self.kept_steps(context, experiment, series)
        if step not in kept:
            raise NotFoundError(f"step: the arrays of {_spelled(kept)} are kept of {series}; got {step}.")
        return kept[step]

    def arrays(
        self,
        context: Any,  # TensorBoard's RequestContext
        experiment: str,
        wanted: Sequence[tuple[SeriesKey, KeptStep, Sequence[ArrayKey] | None]],
    ) -> list[list[ReadArray]]:
        """Arrays of several series, each at one step, read side by side.

        Args:
            context: The request's.
            experiment: The experiment's id.
            wanted: The series, its step, and which of its arrays; None: all.

        Returns:
            For every series its arrays, in the order asked for.
        """
        heads = self._side_by_side(
            [functools.partial(self._head, context, experiment, series, kept) for series, kept, _ in wanted]
        )
        blobs: dict[tuple[int, int], bytes | Exception] = {}
        unread: dict[tuple[int, int], Callable[[], bytes]] = {}
        for place, ((_, kept, keys), head) in enumerate(zip(wanted, heads, strict=True)):
            if isinstance(head, Exception):
                continue
            if head.first_blob is not None:
                blobs[place, 0] = head.first_blob
            for key in head.stored.keys:
                blob = head.stored.blob_of(key)
                if (keys is None or key in keys) and (place, blob) not in blobs and blob < len(kept.blob_keys):
                    unread[place, blob] = self._blob_reader(context, kept.blob_keys[blob])
        blobs.update(zip(unread, self._side_by_side(list(unread.values())), strict=True))
        return [
            _read_arrays(head, keys, {blob: read for (of, blob), read in blobs.items() if of == place})
            for place, ((_, _, keys), head) in enumerate(zip(wanted, heads, strict=True))
        ]

    def _head(
        self,
        context: Any,  # TensorBoard's RequestContext
        experiment: str,
        series: SeriesKey,
        kept: KeptStep,
    ) -> "_Head":
        """Where the arrays of a step lie: remembered, or read from its first blob, which is then not read again."""
        if not kept.blob_keys:
            raise EncodingError(f"step {kept.step} of {series} has no blobs.")
        just_read: list[bytes] = []

        def read() -> StoredArrays:
            just_read.append(self._blob_reader(context, kept.blob_keys[0])())
            return StoredArrays(just_read[0])

        stored = self._directories.get((experiment, series, kept.step), kept, read)
        return _Head(stored, just_read[0] if just_read else None)

    def _blob_reader(self, context: Any, blob_key: str) -> Callable[[], bytes]:
        def read() -> bytes:
            try:
                blob = self._provider.read_blob(context, blob_key=blob_key)
            except (LookupError, TypeError) as error:  # TensorBoard's Python loader, of what it has just dropped
                raise NotFoundError("TensorBoard does not have these arrays any more.") from error
            except errors.InvalidArgumentError as error:
                raise NotFoundError(_UNREADABLE_KEY) from error
            if not isinstance(blob, bytes):
                raise EncodingError("these are not arrays of tb_rnn_plugin.")
            return blob

        return read

    def _side_by_side(self, reads: Sequence[Callable[[], _Value]]) -> list[_Value | Exception]:
        """What each returned, or the error that says why it could not be read."""
        futures = [self._readers.submit(read) for read in reads]
        results: list[_Value | Exception] = []
        for future in futures:
            try:
                results.append(future.result())
            except (errors.PublicError, EncodingError, NotFoundError) as error:
                results.append(error)
        return results


@dataclasses.dataclass(frozen=True)
class _Head:
    """Where the arrays of a step lie, and its first blob if that has just been read."""

    stored: StoredArrays
    first_blob: bytes | None


@dataclasses.dataclass(frozen=True)
class _Selection:
    """One tag of one run, as the provider's methods take it."""

    experiment: str
    plugin_name: str
    series: SeriesKey

    @property
    def tag(self) -> str:
        return metadata.tag(self.plugin_name, self.series.layer, self.series.quantity)

    def _ask(self, method: Callable[..., Any], context: Any, **options: int) -> Any:
        found = method(
            context,
            experiment_id=self.experiment,
            plugin_name=self.plugin_name,
            run_tag_filter=provider.RunTagFilter(runs=[self.series.run], tags=[self.tag]),
            **options,
        )
        return found.get(self.series.run, {}).get(self.tag)

    def version(self, list_series: Callable[..., Any], context: Any) -> object:
        """What changes when something was added; raises NotFoundError when there is no such series."""
        listed = self._ask(list_series, context)
        if listed is None:
            raise NotFoundError(f"there is no {self.series}.")
        return _newest(listed)

    def read(self, read_series: Callable[..., Any], context: Any, most: int) -> Iterable[Any]:
        return self._ask(read_series, context, downsample=most) or ()


def _newest(listed: Any) -> object:  # a series, as the provider lists it
    """What changes when something was added to it."""
    return listed.max_step, listed.max_wall_time


def _read_arrays(
    head: _Head | Exception, keys: Sequence[ArrayKey] | None, blobs: dict[int, bytes | Exception]
) -> list[ReadArray]:
    if isinstance(head, Exception):
        return [ReadArray(key, None, str(head)) for key in keys or [ArrayKey()]]
    return [_read_array(head.stored, key, blobs) for key in (head.stored.keys if keys is None else keys)]


def _read_array(stored: StoredArrays, key: ArrayKey, blobs: dict[int, bytes | Exception]) -> ReadArray:
    if key not in stored.keys:
        return ReadArray(key, None, f"there is no {key}; kept are {_spelled(stored.keys)}.")
    blob = blobs.get(stored.blob_of(key), EncodingError("a blob of this step is missing."))
    if isinstance(blob, Exception):
        return ReadArray(key, None, str(blob))
    try:
        return ReadArray(key, stored.array(key, blob))
    except EncodingError as error:
        return ReadArray(key, None, str(error))


def _spelled(things: Iterable[object], most: int = 12) -> str:
    """A few of them, in words."""
    names = [str(thing) for thing in things]
    shown = names if len(names) <= most else [*names[: most - 1], "…", names[-1]]
    return ", ".join(shown) or "none"
