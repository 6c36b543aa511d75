from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArrayType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARRAY_TYPE_UNSPECIFIED: _ClassVar[ArrayType]
    ARRAY_TYPE_FLOAT32: _ClassVar[ArrayType]
    ARRAY_TYPE_BFLOAT16: _ClassVar[ArrayType]
ARRAY_TYPE_UNSPECIFIED: ArrayType
ARRAY_TYPE_FLOAT32: ArrayType
ARRAY_TYPE_BFLOAT16: ArrayType

class Layer(_message.Message):
    __slots__ = ("name", "cell", "units", "directions", "gates", "framework", "projection", "position", "space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CELL_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    GATES_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    cell: str
    units: int
    directions: _containers.RepeatedScalarFieldContainer[str]
    gates: _containers.RepeatedScalarFieldContainer[str]
    framework: str
    projection: int
    position: int
    space: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., cell: _Optional[str] = ..., units: _Optional[int] = ..., directions: _Optional[_Iterable[str]] = ..., gates: _Optional[_Iterable[str]] = ..., framework: _Optional[str] = ..., projection: _Optional[int] = ..., position: _Optional[int] = ..., space: _Optional[_Iterable[int]] = ...) -> None: ...

class SeriesMetadata(_message.Message):
    __slots__ = ("schema_version", "layer", "quantity")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    layer: Layer
    quantity: str
    def __init__(self, schema_version: _Optional[int] = ..., layer: _Optional[_Union[Layer, _Mapping]] = ..., quantity: _Optional[str] = ...) -> None: ...

class LinearHistogram(_message.Message):
    __slots__ = ("exponent", "first_bin", "counts")
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    FIRST_BIN_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    exponent: int
    first_bin: int
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, exponent: _Optional[int] = ..., first_bin: _Optional[int] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class MagnitudeHistogram(_message.Message):
    __slots__ = ("first_exponent", "negative", "positive", "zero")
    FIRST_EXPONENT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    ZERO_FIELD_NUMBER: _ClassVar[int]
    first_exponent: int
    negative: _containers.RepeatedScalarFieldContainer[int]
    positive: _containers.RepeatedScalarFieldContainer[int]
    zero: int
    def __init__(self, first_exponent: _Optional[int] = ..., negative: _Optional[_Iterable[int]] = ..., positive: _Optional[_Iterable[int]] = ..., zero: _Optional[int] = ...) -> None: ...

class Statistics(_message.Message):
    __slots__ = ("direction", "matrix", "gate", "count", "nan_count", "inf_count", "first_nonfinite_timestep", "minimum", "maximum", "mean", "standard_deviation", "l1_norm", "l2_norm", "values", "magnitudes", "last_nonfinite_timestep", "channel_norms")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NAN_COUNT_FIELD_NUMBER: _ClassVar[int]
    INF_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_NONFINITE_TIMESTEP_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    L1_NORM_FIELD_NUMBER: _ClassVar[int]
    L2_NORM_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MAGNITUDES_FIELD_NUMBER: _ClassVar[int]
    LAST_NONFINITE_TIMESTEP_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_NORMS_FIELD_NUMBER: _ClassVar[int]
    direction: str
    matrix: str
    gate: str
    count: int
    nan_count: int
    inf_count: int
    first_nonfinite_timestep: int
    minimum: float
    maximum: float
    mean: float
    standard_deviation: float
    l1_norm: float
    l2_norm: float
    values: LinearHistogram
    magnitudes: MagnitudeHistogram
    last_nonfinite_timestep: int
    channel_norms: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, direction: _Optional[str] = ..., matrix: _Optional[str] = ..., gate: _Optional[str] = ..., count: _Optional[int] = ..., nan_count: _Optional[int] = ..., inf_count: _Optional[int] = ..., first_nonfinite_timestep: _Optional[int] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., l1_norm: _Optional[float] = ..., l2_norm: _Optional[float] = ..., values: _Optional[_Union[LinearHistogram, _Mapping]] = ..., magnitudes: _Optional[_Union[MagnitudeHistogram, _Mapping]] = ..., last_nonfinite_timestep: _Optional[int] = ..., channel_norms: _Optional[_Iterable[float]] = ...) -> None: ...

class NormProfile(_message.Message):
    __slots__ = ("direction", "timesteps", "mean_block", "mean", "quantile_block", "quantiles", "quantile_values")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    TIMESTEPS_FIELD_NUMBER: _ClassVar[int]
    MEAN_BLOCK_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    QUANTILES_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_VALUES_FIELD_NUMBER: _ClassVar[int]
    direction: str
    timesteps: int
    mean_block: int
    mean: _containers.RepeatedScalarFieldContainer[float]
    quantile_block: int
    quantiles: _containers.RepeatedScalarFieldContainer[float]
    quantile_values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, direction: _Optional[str] = ..., timesteps: _Optional[int] = ..., mean_block: _Optional[int] = ..., mean: _Optional[_Iterable[float]] = ..., quantile_block: _Optional[int] = ..., quantiles: _Optional[_Iterable[float]] = ..., quantile_values: _Optional[_Iterable[float]] = ...) -> None: ...

class Measure(_message.Message):
    __slots__ = ("name", "direction", "matrix", "gate", "value", "count", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    direction: str
    matrix: str
    gate: str
    value: float
    count: int
    threshold: float
    def __init__(self, name: _Optional[str] = ..., direction: _Optional[str] = ..., matrix: _Optional[str] = ..., gate: _Optional[str] = ..., value: _Optional[float] = ..., count: _Optional[int] = ..., threshold: _Optional[float] = ...) -> None: ...

class QuantitySummary(_message.Message):
    __slots__ = ("schema_version", "shape", "samples_kept", "statistics", "profiles", "measures")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_KEPT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    samples_kept: int
    statistics: _containers.RepeatedCompositeFieldContainer[Statistics]
    profiles: _containers.RepeatedCompositeFieldContainer[NormProfile]
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    def __init__(self, schema_version: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ..., samples_kept: _Optional[int] = ..., statistics: _Optional[_Iterable[_Union[Statistics, _Mapping]]] = ..., profiles: _Optional[_Iterable[_Union[NormProfile, _Mapping]]] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ...) -> None: ...

class ArrayEntry(_message.Message):
    __slots__ = ("sample", "direction", "matrix", "shape", "blob", "offset")
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    sample: int
    direction: str
    matrix: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    blob: int
    offset: int
    def __init__(self, sample: _Optional[int] = ..., direction: _Optional[str] = ..., matrix: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., blob: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class ArrayDirectory(_message.Message):
    __slots__ = ("schema_version", "type", "blobs", "entries")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    type: ArrayType
    blobs: int
    entries: _containers.RepeatedCompositeFieldContainer[ArrayEntry]
    def __init__(self, schema_version: _Optional[int] = ..., type: _Optional[_Union[ArrayType, str]] = ..., blobs: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[ArrayEntry, _Mapping]]] = ...) -> None: ...
