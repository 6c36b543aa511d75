"""How a benchmark says what it measured."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured variant.

    Attributes:
        name: What was measured.
        value: How much of `unit` it was.
        unit: The unit of `value`.
        ratio: How much that is of the first row's.
        limit: The most that the ratio may be.
        least: The least that the value may be.
        quartiles: Between which half of the measured ratios lie.
    """

    name: str
    value: float
    unit: str
    ratio: float
    limit: float | None = None
    least: float | None = None
    quartiles: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """Whether the value and its ratio are within their limits."""
        if self.least is not None:
            return f"≥ {self.least:.0f} {'met' if self.value >= self.least else 'MISSED'}"
        if self.limit is None:
            return ""
        return f"≤ {self.limit:.2f} {'met' if self.ratio <= self.limit else 'MISSED'}"


def print_table(title: str, rows: list[Row]) -> None:
    """Prints rows under each other."""
    width = max(len(row.name) for row in rows)
    print(f"\n{title}")
    for row in rows:
        spread = "" if row.quartiles is None else f"{row.quartiles[0]:.3f}–{row.quartiles[1]:.3f}"
        ratio = f"{row.ratio:6.3f} ×  {spread:<13}"
        print(f"  {row.name:<{width}}  {row.value:9.2f} {row.unit:<10}  {ratio}  {row.verdict}".rstrip())
