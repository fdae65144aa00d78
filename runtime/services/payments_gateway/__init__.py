"""payments-gateway: the only service that holds the Stripe key."""
