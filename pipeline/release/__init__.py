"""The life of a release: register, judge, compare, promote, roll back, reconcile, verify, report."""
