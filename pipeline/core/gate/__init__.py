"""The promotion gate: the checks a candidate must pass, and the decision made of them."""
