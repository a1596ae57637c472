"""The draw of predictions for people to label, and how far the labelling is."""
