"""Tables of the user, read and written in batches of bounded size: CSV, TSV, JSONL and Parquet."""
