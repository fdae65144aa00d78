"""Stripe's HTTP API, version 1: what arrives, what is refused, what is executed, what is shown."""
