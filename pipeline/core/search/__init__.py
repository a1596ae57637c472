"""Search for better parameters: folds of the texts, the interval over them, and trials on Ray Tune."""
