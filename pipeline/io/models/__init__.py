"""Published models, from which an encoder may start: in a package, in a folder, on a hub."""
