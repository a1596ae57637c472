"""The sources of texts: pinned files of the package index, files of the user, feedback and replay."""
