"""Stripe's objects in the shape that API version 2026-10-28.endive answers them.

Field names and their order of meaning come from the types that stripe-python 16.1 ships. The twin
keeps an object in exactly the shape it answers, so no translation can lose anything.
"""

# Source: stripe.api_version of stripe-python 16.1.0.
API_VERSION = "2026-10-28.endive"
