"""Benchmarks: each runs by itself, and those that have contenders under `python -m benchmarks`."""
