"""Measures speed as ratios to a named peer, both in one run. Not tests: a busy machine fails none."""
