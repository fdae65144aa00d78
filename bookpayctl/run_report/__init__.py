"""A run told again from its folder: its report, its evidence, its course, and one page of it."""
