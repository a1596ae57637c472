"""Below the API: access, limits and time-outs of requests."""
