"""Monitoring as pure logic: prevalence, drift, quality, change points, quiet period."""
