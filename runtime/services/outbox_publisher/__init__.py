"""outbox-publisher: from the outbox table to Kafka, by one leader at a time."""
