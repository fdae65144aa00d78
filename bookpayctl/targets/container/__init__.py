"""What the image runs besides the services: PostgreSQL, Kafka, a mail sink, and what fills them."""
