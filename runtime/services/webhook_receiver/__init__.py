"""payments-webhook-receiver: Stripe's word, believed only with its signature."""
