"""What an environment does now, look after look: for the person in front of it, and for scripts."""
