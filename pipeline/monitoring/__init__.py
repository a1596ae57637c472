"""Monitoring: windows of predictions, drift, prevalence, model changes, automatic rollback."""
