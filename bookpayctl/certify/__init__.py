"""A certificate: every kind of question asked of one stack, within a budget, to one verdict."""
