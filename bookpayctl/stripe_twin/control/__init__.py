"""The operator's side of the twin: a JSON API on a port of its own."""
