"""payments-reconciler: closes what nobody answered for."""
