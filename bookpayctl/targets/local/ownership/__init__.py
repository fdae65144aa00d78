"""Whose a Kafka, a PostgreSQL and a name at Stripe are, written down where they are."""
