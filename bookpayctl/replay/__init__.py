"""Replay: what Kafka retains, or the outbox, gone through again; nobody may be charged by it.

A mode is a file: `verify` holds records against the ledger, `live` reads them through the real
worker. What they share stands beside them: where a replay begins and ends (`position`), which
records that is (`ranges`), how fast it goes and how long it will take (`pace`).
"""
