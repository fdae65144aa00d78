"""Serving HTTP/1.1: the wire, the application around it, probes, and RFC 9457 problems."""
