"""The seven services, one folder each; none imports another."""
