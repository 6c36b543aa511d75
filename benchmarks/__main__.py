"""`python -m benchmarks [name …]`: runs the named benchmarks, or all of them."""

import argparse
import importlib

NAMES = ("tensorflow_overhead", "torch_overhead", "bptt_overhead", "reach_cost", "reading", "drawing", "opening")


def main() -> None:
    """Runs them one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(NAMES)}")
    names = parser.parse_args().names or NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        parser.error(f"expected any of {', '.join(NAMES)}; got {', '.join(unknown)}")
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
