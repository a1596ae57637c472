"""The path below which a proxy serves the app."""

from starlette.types import ASGIApp, Receive, Scope, Send


class PathPrefix:
    """Tell the app the prefix of its public address, whether or not the proxy passes it on."""

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        # The app's router drops this prefix from a path that begins with it.
        path = f"{scope['path']}/" if scope.get("path") == self._prefix else scope.get("path", "")
        await self._app({**scope, "path": path, "root_path": self._prefix}, receive, send)
