"""Operators that an overlay needs: found, installed from pinned files, or asked for by name."""
