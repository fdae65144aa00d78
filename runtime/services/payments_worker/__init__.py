"""payments-worker: from orders.placed to a charge at Stripe, once."""
