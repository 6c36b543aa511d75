"""The colours that a heatmap must have, computed from the logged numbers without the frontend's code.

The formula is the one that `colour_scale.ts` states. The three scientific maps are tables: their bytes are read from
the frontend's source, and compared with what their authors published at the places of `PUBLISHED`.
"""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_SOURCE = Path(__file__).parents[2] / "frontend/src/drawing/colour_maps.ts"

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

# Of 256 colours, by their number: vik and berlin from Crameri's cmcrameri 1.9, the others from matplotlib 3.10.
PUBLISHED = {
    "vik": {0: "001261", 32: "034481", 64: "307da6", 96: "94bed2", 127: "ebe6e2", 128: "ece5e0", 160: "dbaa8d",
            192: "c27041", 224: "912d06", 255: "590008"},
    "berlin": {0: "9eb0ff", 32: "519fd3", 64: "286886", 96: "14303e", 127: "180c0a", 128: "190c09", 160: "411201",
               192: "7d341e", 224: "be6f63", 255: "ffadad"},
    "cividis": {0: "00224e", 32: "1a386f", 64: "434e6c", 96: "61656f", 127: "7c7b78", 128: "7d7c78", 160: "9b9476",
                192: "bcae6c", 224: "dec958", 255: "fee838"},
    "RdBu": {0: "053061", 32: "2a71b2", 64: "6bacd1", 96: "c2ddec", 127: "f6f7f7", 128: "f7f6f6", 160: "fbccb4",
             192: "e48066", 224: "ba2832", 255: "67001f"},
    "bwr": {0: "0000ff", 32: "4040ff", 64: "8080ff", 96: "c0c0ff", 127: "fefeff", 128: "fffefe", 160: "ffbebe",
            192: "ff7e7e", 224: "ff3e3e", 255: "ff0000"},
    "grey": {0: "000000", 32: "202020", 64: "404040", 96: "606060", 127: "7f7f7f", 128: "808080", 160: "a0a0a0",
             192: "c0c0c0", 224: "e0e0e0", 255: "ffffff"},
}  # fmt: skip
# ColorBrewer's RdBu of eleven colours, from blue to red, and matplotlib's bwr.
_CONTROLS = {
    "RdBu": "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
    "bwr": "0000ff ffffff ff0000",
    "grey": "000000 ffffff",
}
_NAN = {True: "00ff00", False: "ff00ff"}
_POSITIVE = {True: "ff00ff", False: "ff0000"}
_NEGATIVE = {True: "ffff00", False: "00ffff"}


def rgb(text: str) -> Pixels:
    return np.frombuffer(bytes.fromhex(text), np.uint8)


def table(name: str) -> Pixels:
    """256 × (red, green, blue)."""
    if name in _CONTROLS:
        controls = np.array([rgb(colour) for colour in _CONTROLS[name].split()], float)
        places = np.linspace(0, len(controls) - 1, 256)
        mixed = [np.interp(places, range(len(controls)), controls[:, part]) for part in range(3)]
        return np.floor(np.stack(mixed, axis=1) + 0.5).astype(np.uint8)
    found = re.search(rf'\b{name}:\s*"([^"]+)"', _SOURCE.read_text())
    assert found is not None
    return np.frombuffer(base64.b64decode(found[1]), np.uint8).reshape(256, 3)


@dataclass(frozen=True)
class Colouring:
    """A scale over all of the given arrays, and a map; `range`: from low to high whatever the map."""

    kind: str
    decades: int
    map: str
    limit: float
    low: float
    high: float
    range: bool = False

    @classmethod
    def over(cls, arrays: list[Floats], kind: str, map_: str, decades: int = 6) -> "Colouring":
        finite = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays]).astype(float)
        return cls(kind, decades, map_, float(np.abs(finite).max()), float(finite.min()), float(finite.max()))

    @property
    def diverging(self) -> bool:
        return self.map not in {"cividis", "grey"}

    def levels(self, values: Floats) -> npt.NDArray[np.int64]:
        """The colours' numbers; what is not finite counts as 0."""
        v = np.where(np.isfinite(values), values, 0).astype(float)
        if self.kind == "linear" and (self.range or not self.diverging):
            p = (v - self.low) / (self.high - self.low)
        else:
            t = self._place(v)
            p = (1 + t) / 2 if self.diverging else np.abs(t)
        return np.minimum(255, np.floor(256 * np.clip(p, 0, 1))).astype(np.int64)

    def _place(self, v: Floats) -> Floats:
        if self.kind == "linear":
            return v / self.limit
        if self.kind == "log":
            with np.errstate(divide="ignore"):
                return np.clip(1 + np.log10(np.abs(v) / self.limit) / self.decades, 0, 1)
        c = self.limit * 10.0**-self.decades
        return np.asarray(np.sign(v) * np.log1p(np.abs(v) / c) / np.log1p(self.limit / c))

    def wrong(self, pixels: Pixels, values: Floats) -> int:
        """How many pixels have not the colour of their value, nor that of a neighbouring level."""
        assert pixels.shape[:2] == values.shape, (pixels.shape, values.shape)
        colours, levels = table(self.map), self.levels(values)
        right = np.zeros(values.shape, bool)
        for off in (-1, 0, 1):
            right |= (colours[np.clip(levels + off, 0, 255)] == pixels).all(axis=-1)
        for special, colour in (
            (np.isnan(values), _NAN),
            (np.isposinf(values), _POSITIVE),
            (np.isneginf(values), _NEGATIVE),
        ):
            right = np.where(special, (pixels == rgb(colour[self.diverging])).all(axis=-1), right)
        return int((~right).sum())


def pooled(values: Floats, rows: int, columns: int) -> Floats:
    """The cell of the largest magnitude of each block of rows × columns: NaN above Inf above every number."""
    magnitude = np.abs(values.astype(float))
    rank = np.where(np.isnan(magnitude), np.inf, np.minimum(magnitude, np.finfo(float).max))
    starts = [(i, j) for i in range(0, values.shape[0], rows) for j in range(0, values.shape[1], columns)]
    out = []
    for i, j in starts:
        block = (slice(i, i + rows), slice(j, j + columns))
        out.append(values[block].ravel()[rank[block].argmax()])
    return np.array(out, values.dtype).reshape(-(-values.shape[0] // rows), -(-values.shape[1] // columns))
