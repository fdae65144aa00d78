"""What an operator wants to know before trusting a stack that is wired correctly.

Worries, not faults: what waits, fills up or drifts is a warning, which counts with `--strict`.
"""
