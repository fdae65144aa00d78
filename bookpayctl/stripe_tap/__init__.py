"""A recording tap: it stands between the gateway and Stripe, and writes down what is said.

Bytes go through as they are, both ways; what cannot be read goes through unread. It answers nothing
itself, tries nothing again, and imports nothing of bookpayctl or the runtime: a witness of its own.
"""
