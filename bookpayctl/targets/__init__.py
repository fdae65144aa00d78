"""Where a stack runs: on this machine, on kind, on any Kubernetes."""
