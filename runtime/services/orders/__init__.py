"""orders-service: takes orders over HTTP, and ends them when their payment ends."""
