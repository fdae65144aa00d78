"""The runner of benchmarks: what is decided of figures, without measuring any."""
