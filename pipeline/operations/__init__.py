"""Retrain, schedule, audit, data versions, the dashboard's data, doctor, API keys: what somebody asks for."""
