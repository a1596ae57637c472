"""What a person, a clock or a request asks for: retrain, schedule, audit, data versions, the dashboard's data, doctor, API keys."""
