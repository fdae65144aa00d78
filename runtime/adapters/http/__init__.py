"""Serving HTTP/1.1: the wire, the application around it, and RFC 9457 problems."""
