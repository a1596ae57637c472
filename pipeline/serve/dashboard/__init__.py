"""The dashboard: server-rendered pages, sign-in, actions."""
