"""Tables in files of any shape: what a file is, how it is written, and its rows."""
