"""What the judge reads, as files: one schema, one Parquet file per table, a manifest over them."""
