"""What the twin must never forget: SQLite, one file, committed before anything is answered."""
