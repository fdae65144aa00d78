"""Faults built into the program: failpoints, connections that break, answers that fail."""
