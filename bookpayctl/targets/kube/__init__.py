"""A Kubernetes cluster as a place for environments."""
