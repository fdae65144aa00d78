"""PostgreSQL and Kafka from wheels and jars, each with its configuration and its start."""
