"""Where the runtime touches the world: the database, the broker, Stripe, HTTP and mail."""
