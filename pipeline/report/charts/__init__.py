"""Charts as SVG: coordinates in dataclasses, drawn by templates."""
