"""Prefect flows: when the stages run, and what people see of it."""
