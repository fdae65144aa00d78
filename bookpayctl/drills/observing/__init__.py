"""What drills watch after a fault, each usable by several of them."""
