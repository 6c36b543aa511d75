"""LayerRecord to protobuf summaries and raw little-endian blobs, and back. Knows no writer and no reader."""

import dataclasses
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from tb_rnn_plugin.metadata import SCHEMA_VERSION
from tb_rnn_plugin.record import MATRIX_QUANTITIES, WEIGHT_GRADIENTS, WEIGHTS, FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import (
    ARRAY_TYPE_BFLOAT16,
    ARRAY_TYPE_FLOAT32,
    ArrayDirectory,
    ArrayEntry,
    Layer,
    Measure,
    QuantitySummary,
)
from tb_rnn_plugin.statistics.summary_statistics import quantity_summary

DType = Literal["float32", "bfloat16"]
DTYPES: tuple[DType, ...] = get_args(DType)

# A blob: these bytes, the length of its directory, the directory, zeros up to a multiple of 8, the arrays' bytes.
_MAGIC = b"RNNA"
_PREFIX = struct.Struct("<4sI")
_ALIGNMENT = 8

# A blob under ~100 KB takes TensorBoard's data server 44 ms whatever its size, so arrays share a blob up to here.
_SMALLEST_BLOB = 128 * 1024

_ARRAY_TYPES = {"float32": ARRAY_TYPE_FLOAT32, "bfloat16": ARRAY_TYPE_BFLOAT16}
_ITEM_SIZES = {ARRAY_TYPE_FLOAT32: 4, ARRAY_TYPE_BFLOAT16: 2}


class EncodingError(ValueError):
    """Bytes that this version did not write, or that were damaged."""


@dataclasses.dataclass(frozen=True)
class EncodedQuantity:
    """One quantity of a record, as it is stored."""

    quantity: str
    header: QuantitySummary
    blobs: list[bytes]

    @property
    def summary(self) -> bytes:
        """The light summary, serialized."""
        return self.header.SerializeToString()


@dataclasses.dataclass(frozen=True)
class ArrayKey:
    """Which array of a (layer, quantity, step): a sample of a sequence, or a matrix of a direction."""

    sample: int | None = None
    direction: str = ""
    matrix: str = ""

    def __str__(self) -> str:
        """As the HTTP API names it."""
        return f"sample {self.sample}" if self.sample is not None else f"{self.direction}/{self.matrix}"


def quantities(record: LayerRecord) -> list[str]:
    """The quantities of a record, in the order in which they are stored."""
    return [*record.sequences, *(quantity for quantity in MATRIX_QUANTITIES if getattr(record, quantity))]


def encode(
    record: LayerRecord,
    *,
    samples: int | None,
    dtype: DType,
    measured: Callable[[str], Sequence[Measure]] = lambda _: (),
) -> list[EncodedQuantity]:
    """Every quantity of a record as a light summary and blobs of arrays.

    Args:
        record: What to encode.
        samples: Of how many samples the arrays are kept; None: of all. The summaries are over all samples.
        dtype: How the arrays are stored.
        measured: Takes a quantity, and gives its measures.
    """
    encoded = []
    for quantity in quantities(record):
        arrays = _arrays(record, quantity, samples)
        statistics, profiles = quantity_summary(record, quantity)
        summary = QuantitySummary(
            schema_version=SCHEMA_VERSION,
            shape=() if quantity in MATRIX_QUANTITIES else record.sequences[quantity].shape,
            samples_kept=0 if quantity in MATRIX_QUANTITIES else len(arrays),
            statistics=statistics,
            profiles=profiles,
            measures=measured(quantity),
        )
        encoded.append(EncodedQuantity(quantity, summary, encode_arrays(arrays, dtype)))
    return encoded


def _arrays(record: LayerRecord, quantity: str, samples: int | None) -> dict[ArrayKey, FloatArray]:
    if quantity in MATRIX_QUANTITIES:
        return {
            ArrayKey(direction=direction, matrix=matrix): array
            for direction, matrices in getattr(record, quantity).items()
            for matrix, array in matrices.items()
        }
    return {ArrayKey(sample=sample): array for sample, array in enumerate(record.sequences[quantity][:samples])}


def encode_arrays(arrays: Mapping[ArrayKey, FloatArray], dtype: DType) -> list[bytes]:
    """Arrays as blobs of at least 128 KB where there is that much, each array whole in one blob."""
    directory = ArrayDirectory(schema_version=SCHEMA_VERSION, type=_ARRAY_TYPES[dtype])
    payloads: list[list[bytes | memoryview]] = []
    size = _SMALLEST_BLOB
    for key, array in arrays.items():
        stored = np.ascontiguousarray(array, "<f4") if dtype == "float32" else to_bfloat16(array).astype("<u2")
        padding = bytes(-stored.nbytes % _ALIGNMENT)
        if size >= _SMALLEST_BLOB:
            payloads.append([])
            size = 0
        directory.entries.append(
            ArrayEntry(
                sample=key.sample,
                direction=key.direction,
                matrix=key.matrix,
                shape=array.shape,
                blob=len(payloads) - 1,
                offset=size,
            )
        )
        payloads[-1] += [stored.data.cast("B"), padding]
        size += stored.nbytes + len(padding)
    directory.blobs = len(payloads)
    header = directory.SerializeToString()
    head = _PREFIX.pack(_MAGIC, len(header)) + header
    head += bytes(-len(head) % _ALIGNMENT)
    return [b"".join([head, *payload]) for payload in payloads]


def to_bfloat16(array: FloatArray) -> npt.NDArray[np.uint16]:
    """The bits of each number as bfloat16, rounded to nearest even.

    NaN stays NaN: plain truncation could turn one into Inf, and rounding could turn one into zero.
    """
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(array), ((bits >> 16) | np.uint32(0x40)).astype(np.uint16), rounded)


def from_bfloat16(bits: npt.NDArray[np.uint16]) -> FloatArray:
    """The numbers that bfloat16 bits stand for, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


class StoredArrays:
    """The arrays of a (layer, quantity, step), read from their blobs as they are asked for."""

    def __init__(self, first_blob: bytes) -> None:
        """Takes the first blob, which says where everything lies.

        Raises:
            EncodingError: If it can't be read.
        """
        self._directory, start = _read_head(first_blob)
        self._head = first_blob[:start]  # the same in every blob of the step
        self._entries = {
            ArrayKey(
                sample=entry.sample if entry.HasField("sample") else None,
                direction=entry.direction,
                matrix=entry.matrix,
            ): entry
            for entry in self._directory.entries
        }

    @property
    def keys(self) -> list[ArrayKey]:
        """What was kept, in its order."""
        return list(self._entries)

    def blob_of(self, key: ArrayKey) -> int:
        """The index of the blob that holds an array."""
        return self._entries[key].blob

    def array(self, key: ArrayKey, blob: bytes) -> FloatArray:
        """One array, out of the blob that holds it.

        Raises:
            EncodingError: If the blob is damaged, or of another step.
        """
        entry = self._entries[key]
        shape = tuple(entry.shape)
        count = math.prod(shape)
        start = len(self._head) + entry.offset
        if not count or not shape or not blob.startswith(self._head):
            raise EncodingError(f"the blob of {key} is damaged, or of another step.")
        if len(blob) < start + count * _ITEM_SIZES[self._directory.type]:
            raise EncodingError(f"the blob of {key} is damaged: {len(blob)} bytes are too few for shape {shape}.")
        if self._directory.type == ARRAY_TYPE_BFLOAT16:
            return from_bfloat16(np.frombuffer(blob, "<u2", count, start)).reshape(shape)
        return np.frombuffer(blob, "<f4", count, start).reshape(shape)


def _read_head(blob: bytes) -> tuple[ArrayDirectory, int]:
    if len(blob) < _PREFIX.size or not blob.startswith(_MAGIC):
        raise EncodingError("these are not arrays of tb_rnn_plugin.")
    _, length = _PREFIX.unpack_from(blob)
    end = _PREFIX.size + length
    if len(blob) < end:
        raise EncodingError(f"the directory of the arrays is damaged: {len(blob)} bytes, not {end}.")
    directory = ArrayDirectory()
    try:
        directory.ParseFromString(blob[_PREFIX.size : end])
    except DecodeError as error:
        raise EncodingError(f"the directory of the arrays is damaged: {error}.") from None
    if directory.schema_version != SCHEMA_VERSION or directory.type not in _ITEM_SIZES:
        raise EncodingError(
            f"these arrays were written in schema version {directory.schema_version}, this version reads "
            f"{SCHEMA_VERSION}; update tb-rnn-plugin."
        )
    return directory, end + (-end % _ALIGNMENT)


def read_arrays(blobs: Sequence[bytes]) -> dict[ArrayKey, FloatArray]:
    """All arrays of a step.

    Raises:
        EncodingError: If a blob is missing or damaged.
    """
    if not blobs:
        raise EncodingError("a step without blobs.")
    stored = StoredArrays(blobs[0])
    if any(stored.blob_of(key) >= len(blobs) for key in stored.keys):
        raise EncodingError(f"some blobs of the step are missing; there are {len(blobs)}.")
    return {key: stored.array(key, blobs[stored.blob_of(key)]) for key in stored.keys}


def decode_summary(summary: bytes) -> QuantitySummary | None:
    """A light summary; None when another schema version, or something else, wrote it."""
    parsed = QuantitySummary()
    try:
        parsed.ParseFromString(summary)
    except DecodeError:
        return None
    return parsed if parsed.schema_version == SCHEMA_VERSION else None


def decode_record(layer: Layer, arrays: Mapping[str, Mapping[ArrayKey, FloatArray]]) -> LayerRecord:
    """A LayerRecord of what was kept of a step, quantity by quantity."""
    sequences: dict[str, FloatArray] = {}
    matrices: dict[str, dict[str, dict[str, FloatArray]]] = {WEIGHTS: {}, WEIGHT_GRADIENTS: {}}
    for quantity, kept in arrays.items():
        if quantity in MATRIX_QUANTITIES:
            for key, array in kept.items():
                matrices[quantity].setdefault(key.direction, {})[key.matrix] = array
        else:
            sequences[quantity] = np.stack(list(kept.values()))
    return LayerRecord(
        layer.name,
        cell=layer.cell or None,
        units=layer.units or None,
        directions=tuple(layer.directions),
        gates=tuple(layer.gates),
        sequences=sequences,
        weights=matrices[WEIGHTS],
        weight_gradients=matrices[WEIGHT_GRADIENTS],
        framework=layer.framework,
        projection=layer.projection or None,
        space=tuple(layer.space),
    )
