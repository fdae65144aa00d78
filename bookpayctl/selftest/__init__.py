"""Whether the questions can be answered with no: they are asked of what is wrong on purpose."""
