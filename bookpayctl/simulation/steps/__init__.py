"""The runtime's transactions over the model's store: `runtime/steps` and `runtime/adapters/store`.

Small on purpose: what is decided is asked of `Decisions`, and each function names what it mirrors.
"""
