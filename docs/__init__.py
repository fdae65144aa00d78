"""The pages, and `generate`, which writes the parts of them that the code already knows."""
