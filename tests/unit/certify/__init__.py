"""Certificates: what is planned, what a budget leaves out, and what it all comes to."""
