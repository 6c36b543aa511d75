"""How a benchmark says what it measured."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured variant."""

    name: str
    value: float
    unit: str
    ratio: float
    limit: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the ratio is within its limit."""
        if self.limit is None:
            return ""
        return f"≤ {self.limit:.2f} {'met' if self.ratio <= self.limit else 'MISSED'}"


def print_table(title: str, rows: list[Row]) -> None:
    """Prints rows under each other."""
    width = max(len(row.name) for row in rows)
    print(f"\n{title}")
    for row in rows:
        print(f"  {row.name:<{width}}  {row.value:9.2f} {row.unit:<10}  {row.ratio:6.3f} ×  {row.verdict}".rstrip())
