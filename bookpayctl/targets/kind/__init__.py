"""kind: a cluster made on this machine for an environment, then used as any other."""
