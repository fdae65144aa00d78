"""A model of Stripe, written from its documentation and not from the twin: a second opinion."""
