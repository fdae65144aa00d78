"""Faults that are built into the program for drills: off unless the environment turns them on.

`names` says which points and faults there are, `points` is what the code calls, `connections` and
`http` do a fault to a connection. Nothing here decides anything about money.
"""
