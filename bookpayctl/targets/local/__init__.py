"""The local target: every part of the stack as processes of this machine, under supervisor."""
