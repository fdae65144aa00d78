"""A run told again from its folder: its report, its evidence, its course."""
