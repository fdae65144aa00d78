"""A run of the tool on disk, how it waits, and how it is interrupted."""
