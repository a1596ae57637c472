"""The HTTP service: API, dashboard, Ray Serve, and the registered MLflow model."""
