"""What the columns of a table are for, by what they hold: pure functions over samples of cells."""
