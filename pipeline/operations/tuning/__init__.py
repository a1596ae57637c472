"""`tonewatch tune`: search for better parameters on the train and validation texts."""
