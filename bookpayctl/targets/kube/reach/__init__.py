"""Ways from where a command runs to what runs in the cluster."""
