"""RSS and Atom feeds: their entries, and the labels that people give them."""
