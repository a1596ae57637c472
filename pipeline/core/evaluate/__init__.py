"""Evaluation: metrics with intervals, slices, behaviour, calibration, and the comparison of two models."""
