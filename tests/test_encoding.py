"""Records to summaries and blobs, and back."""

import math
import random
import struct

import numpy as np
import pytest

from tb_rnn_plugin.encoding import (
    DTYPES,
    ArrayKey,
    DType,
    EncodingError,
    StoredArrays,
    decode_record,
    decode_summary,
    encode,
    encode_arrays,
    from_bfloat16,
    quantities,
    read_arrays,
    to_bfloat16,
)
from tb_rnn_plugin.metadata import layer_message
from tb_rnn_plugin.record import FloatArray, LayerRecord
from tb_rnn_plugin.rnn_data_pb2 import ARRAY_TYPE_FLOAT32, ArrayDirectory, ArrayEntry

RNG = np.random.default_rng(3)
NANS = np.array([0x7FC00000, 0xFFC00001, 0x7F800001, 0x7FFFFFFF, 0xFF80FFFF], np.uint32).view(np.float32)


def floats(*shape: int) -> FloatArray:
    return RNG.standard_normal(shape, dtype=np.float32)


def same_bits(left: FloatArray, right: FloatArray) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def record() -> LayerRecord:
    activation = floats(5, 7, 6)
    activation[2, 3, :5] = NANS
    activation[4] = 0  # so that a value ends in zero bytes
    return LayerRecord(
        "encoder/bilstm",
        cell="gru",
        units=3,
        directions=("forward", "backward"),
        gates=("reset", "update", "candidate"),
        sequences={"activation": activation, "output_gradient": floats(5, 1, 6), "gate/reset": floats(5, 7, 6)},
        weights={
            "forward": {"kernel": floats(4, 9), "recurrent_kernel": floats(3, 9), "bias": floats(2, 9)},
            "backward": {"kernel": floats(4, 9), "recurrent_kernel": floats(3, 9), "bias": floats(9)},
        },
        weight_gradients={"forward": {"bias": floats(2, 9)}},
        framework="torch",
    )


def flat(one: LayerRecord) -> dict[str, FloatArray]:
    arrays = dict(one.sequences)
    for name, of_direction in (("weights", one.weights), ("weight_gradients", one.weight_gradients)):
        for direction, matrices in of_direction.items():
            arrays |= {f"{name}/{direction}/{matrix}": array for matrix, array in matrices.items()}
    return arrays


def there_and_back(one: LayerRecord, samples: int | None, dtype: DType) -> LayerRecord:
    encoded = encode(one, samples=samples, dtype=dtype)
    assert [part.quantity for part in encoded] == quantities(one)
    return decode_record(layer_message(one, 0), {part.quantity: read_arrays(part.blobs) for part in encoded})


@pytest.mark.parametrize("samples", [None, 1, 3, 99])
def test_float32_comes_back_bit_for_bit(samples: int | None) -> None:
    one = record()
    back = there_and_back(one, samples, "float32")
    for field in ("name", "cell", "units", "directions", "gates", "framework", "projection", "space"):
        assert getattr(back, field) == getattr(one, field)
    found, expected = flat(back), flat(one)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert same_bits(found[name], array[:samples] if name in one.sequences else array), name


def test_a_convolutional_layer_comes_back_with_its_space_and_the_rank_of_its_kernels() -> None:
    one = LayerRecord(
        "convlstm",
        cell="lstm",
        units=2,
        space=(3, 4),
        sequences={"activation": floats(2, 5, 24)},
        weights={"forward": {"kernel": floats(3, 3, 1, 8), "recurrent_kernel": floats(3, 3, 2, 8)}},
    )
    back = there_and_back(one, None, "float32")
    assert back.space == (3, 4)
    for name, array in flat(one).items():
        assert same_bits(flat(back)[name], array), name


def bfloat16_by_hand(value: float) -> int:
    """To nearest, ties to even, by looking at both neighbours; independent of how the code does it."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if math.isnan(value):
        return -1
    low = bits & 0xFFFF0000
    rest = bits & 0xFFFF
    up = rest > 0x8000 or (rest == 0x8000 and (low >> 16) % 2 == 1)
    return int((low >> 16) + up)


def test_bfloat16_rounds_to_nearest_even() -> None:
    bits = RNG.integers(0, 2**32, size=20_000, dtype=np.uint32)
    bits[:2000] = (bits[:2000] & np.uint32(0xFFFF0000)) | np.uint32(0x8000)  # ties
    values = bits.view(np.float32)
    edges = np.array([0, -0.0, np.inf, -np.inf, 3.4e38, 1e-45, 1, np.nextafter(np.float32(1), 2)], np.float32)
    values = np.concatenate([values, edges, NANS])
    found = to_bfloat16(values)
    for value, half in zip(values.tolist(), found.tolist(), strict=True):
        if math.isnan(value):
            assert half & 0x7F80 == 0x7F80, value
            assert half & 0x7F, value  # or it would be Inf
        else:
            assert half == bfloat16_by_hand(value), value
    assert np.array_equal(np.signbit(from_bfloat16(found)), np.signbit(values))


def test_bfloat16_as_ml_dtypes_has_it() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = (floats(10_000) * 10.0 ** RNG.integers(-44, 38, size=10_000)).astype(np.float32)
    expected = values.astype(ml_dtypes.bfloat16)
    assert np.array_equal(to_bfloat16(values), expected.view(np.uint16))
    assert same_bits(from_bfloat16(to_bfloat16(values)), expected.astype(np.float32))


def test_arrays_kept_in_bfloat16_come_back_rounded() -> None:
    one = record()
    back = there_and_back(one, None, "bfloat16")
    kept, given = back.sequences["gate/reset"], one.sequences["gate/reset"]
    assert same_bits(kept, from_bfloat16(to_bfloat16(given)))
    assert np.array_equal(np.isnan(back.sequences["activation"]), np.isnan(one.sequences["activation"]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kilobytes", [1, 50, 127, 128, 200])
def test_small_arrays_share_a_blob_of_at_least_128_kb(dtype: DType, kilobytes: int) -> None:
    width = kilobytes * 1024 // (4 if dtype == "float32" else 2)
    arrays = {ArrayKey(sample=i): floats(1, width) for i in range(8)}
    blobs = encode_arrays(arrays, dtype)
    assert all(len(blob) >= 128 * 1024 for blob in blobs[:-1])
    assert max(map(len, blobs)) < (128 + kilobytes + 2) * 1024
    assert len(blobs) == {1: 1, 50: 3, 127: 4, 128: 8, 200: 8}[kilobytes]
    stored = StoredArrays(blobs[0])
    assert stored.keys == list(arrays)
    if dtype == "float32":
        for key, array in arrays.items():
            assert same_bits(stored.array(key, blobs[stored.blob_of(key)]), array)


def test_arrays_begin_at_multiples_of_eight() -> None:
    arrays = {ArrayKey(sample=i): floats(1, 3) for i in range(5)}
    (blob,) = encode_arrays(arrays, "float32")
    for key, array in arrays.items():
        assert blob.find(array.tobytes()) % 8 == 0, key


def test_the_summary_of_another_schema_is_none() -> None:
    (part, *_) = encode(record(), samples=None, dtype="float32")
    summary = decode_summary(part.summary)
    assert summary is not None
    assert (list(summary.shape), summary.samples_kept) == ([5, 7, 6], 5)
    summary.schema_version += 1
    assert decode_summary(summary.SerializeToString()) is None
    assert decode_summary(b"\xff\xff") is None
    assert decode_summary(b"") is None


def blob_of(**entry: object) -> bytes:
    directory = ArrayDirectory(schema_version=1, type=ARRAY_TYPE_FLOAT32, blobs=1)
    directory.entries.append(ArrayEntry(sample=0, **entry))  # type: ignore[arg-type]  # each is of its field's type
    header = directory.SerializeToString()
    head = struct.pack("<4sI", b"RNNA", len(header)) + header
    return head + bytes(-len(head) % 8) + bytes(64)


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": (2**63, 2**63)},
        {"shape": (2**32, 2**32)},
        {"shape": (2**62, 4)},
        {"shape": (0, 3)},
        {"shape": ()},
        {"shape": (4, 5)},
        {"shape": (2, 2), "offset": 2**63},
        {"shape": (2, 2), "offset": 60},
        {"shape": (2, 2), "blob": 3},
    ],
)
def test_a_directory_that_lies_is_an_error(entry: dict[str, object]) -> None:
    with pytest.raises(EncodingError):
        read_arrays([blob_of(**entry)])


def test_blobs_that_are_not_ours_or_not_whole() -> None:
    (blob,) = encode_arrays({ArrayKey(sample=0): floats(2, 3)}, "float32")
    with pytest.raises(EncodingError, match="without blobs"):
        read_arrays([])
    for damaged in (b"", b"RNNA", b"x" * 64, b"RNNA\xff\xff\xff\xff" + blob[8:], blob[:-9], blob[:12]):
        with pytest.raises(EncodingError):
            read_arrays([damaged])


def test_a_newer_schema_says_to_update() -> None:
    header = ArrayDirectory(schema_version=2, type=ARRAY_TYPE_FLOAT32).SerializeToString()
    with pytest.raises(EncodingError, match=r"schema version 2.*update"):
        StoredArrays(struct.pack("<4sI", b"RNNA", len(header)) + header)


def test_a_blob_of_another_step_is_not_taken_for_this_one() -> None:
    large = 40_000
    ours = encode_arrays({ArrayKey(sample=i): floats(1, large) for i in range(2)}, "float32")
    other = encode_arrays({ArrayKey(sample=i): floats(1, 2 * large) for i in range(2)}, "float32")
    with pytest.raises(EncodingError, match="another step"):
        read_arrays([ours[0], other[1]])
    with pytest.raises(EncodingError, match="missing"):
        read_arrays(ours[:1])


def test_damage_anywhere_is_an_encoding_error_or_another_number() -> None:
    generator = random.Random(4)
    (blob,) = encode_arrays({ArrayKey(sample=i): floats(2, 3) for i in range(3)}, "float32")
    for _ in range(3000):
        damaged = bytearray(blob)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged) if generator.random() < 0.3 else 60)] = generator.randrange(256)
        cut = generator.choice([len(damaged), generator.randrange(len(damaged))])
        try:
            read_arrays([bytes(damaged[:cut])])
        except EncodingError:
            continue
