"""Prevalence: the share of each label among the texts of a window, corrected by audit labels."""
