"""The ways to break a stack: each is promised, injected, proven and undone."""
