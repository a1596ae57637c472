"""What the stages of training read of a split, as tokens and targets."""
