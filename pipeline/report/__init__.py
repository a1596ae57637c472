"""Documents in; HTML, Markdown and SVG out."""
