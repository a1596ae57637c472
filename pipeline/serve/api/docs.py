"""The page /docs: the OpenAPI document in swagger-ui, whose files a package holds and no other host."""

import functools
from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

# swagger-ui sets styles on its elements, and its style sheet has images within.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CACHE_AN_HOUR = "private, max-age=3600"
# By name: the package that holds the file, its folder there, and its type.
ASSETS = {
    "init.js": ("pipeline", "serve/api/assets", "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": ("fastapi_swagger", "resources", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("fastapi_swagger", "resources", "text/css; charset=utf-8"),
    "favicon-32x32.png": ("fastapi_swagger", "resources", "image/png"),
}


def docs_router() -> APIRouter:
    """Create the routes of the page and of its files; the OpenAPI document does not list them."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", page, methods=["GET"], response_model=None)
    router.add_api_route("/docs/{name}", asset, methods=["GET"], response_model=None)
    return router


def page() -> Response:
    """Return the page, which loads only its own files and the OpenAPI document."""
    html = _read("pipeline", "serve/api/assets/docs.html")
    return Response(html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})


def asset(name: str) -> Response:
    """Return a file of the page."""
    if name not in ASSETS:
        raise HTTPException(404, "Not found. See /docs.")
    package, folder, media_type = ASSETS[name]
    return Response(
        _read(package, f"{folder}/{name}"), media_type=media_type, headers={"Cache-Control": CACHE_AN_HOUR}
    )


@functools.cache
def _read(package: str, path: str) -> bytes:
    return files(package).joinpath(path).read_bytes()
