"""Orders under load: the plan, the sender, and what the clients were told."""
