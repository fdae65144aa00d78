"""A storm: many faults by a schedule that a seed draws, each with its undo and its proof."""
