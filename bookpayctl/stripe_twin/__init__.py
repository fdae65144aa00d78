"""A stateful stand-in for Stripe that money-moving code can be tested against.

It keeps what stripe-mock does not: idempotency keys, declines that leave a PaymentIntent behind,
signed webhooks with retries, and an append-only ledger of every charge that was really executed.
It never moves money, accepts only test keys and imports nothing from the rest of the project, so
that a defect of ours cannot hide in code shared with its judge.
"""
