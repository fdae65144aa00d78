"""HTTP/1.1 as the twin speaks it: a server that can break an answer, and a webhook client."""
