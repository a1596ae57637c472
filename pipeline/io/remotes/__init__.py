"""DVC remotes: objects go there and come back only after every byte of them was checked."""
