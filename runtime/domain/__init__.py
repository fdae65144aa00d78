"""The decisions about orders, payments and refunds: values in, values out, nothing else."""
