"""Faults on purpose: which request or webhook goes wrong, how, and the proof that it did."""
