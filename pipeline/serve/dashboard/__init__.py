"""The dashboard: pages, sign-in and actions."""
