"""`/docs`: Swagger UI, every file of it served from here, so that it works offline."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

from dualtrack.errors import NotFound

router = APIRouter(prefix="/docs", include_in_schema=False)

WEB = Path(__file__).parents[2] / "web"
SWAGGER = Path(str(files("fastapi_swagger") / "resources"))
FILES = {
    "docs.js": (WEB, "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": (SWAGGER, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (SWAGGER, "text/css; charset=utf-8"),
    "favicon-32x32.png": (SWAGGER, "image/png"),
}
"""What the page loads: each file's folder and media type."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}


@router.get("")
async def get_docs() -> FileResponse:
    """The page."""
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", **NO_SNIFF}
    return FileResponse(WEB / "docs.html", media_type="text/html; charset=utf-8", headers=headers)


@router.get("/{name}")
async def get_docs_file(name: str) -> FileResponse:
    """One of the files that the page loads."""
    if name not in FILES:
        raise NotFound(f"docs: expected one of {', '.join(FILES)}, got {name[:80]!r}", code="not-found")
    folder, media_type = FILES[name]
    # The bundle has 1.7 MB and changes with a release only.
    return FileResponse(folder / name, media_type=media_type, headers={"Cache-Control": "max-age=3600", **NO_SNIFF})
