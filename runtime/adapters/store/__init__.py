"""All SQL of the services, one file per thing, always in the caller's transaction.

No function here commits. Each takes a connection that its caller has put into a transaction, so
that what belongs together is written together.
"""
