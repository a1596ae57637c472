"""The report of a release: its card, its HTML page and its Markdown."""
