"""The image that every pod runs: written as a docker-archive without an engine, or by one.

It promises that the same inputs give the same bytes: the base, the lock, Kafka's pinned jars and
the code decide, and neither the clock, the user nor the machine does. It does not push, and it
loads into no cluster.
"""
