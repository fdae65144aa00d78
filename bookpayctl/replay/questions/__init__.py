"""What a replay asks, as the judge's invariants are written: one SQL file each, on `schema.sql`."""
