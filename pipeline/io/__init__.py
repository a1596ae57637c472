"""The disk: whole folders, tables, digests."""
