"""PostgreSQL and Kafka from wheels and jars: used by the local target and inside the image."""
