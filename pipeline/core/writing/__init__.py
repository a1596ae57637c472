"""How what a model writes is measured: outcomes, overlap with references, the evaluation report."""
