"""Bearer authentication with the one API key of the settings; off if there is none."""

import hmac

from starlette.requests import Request

from dualtrack.errors import Unauthorized
from service.api.deps import PartsDep


def require_key(request: Request, parts: PartsDep) -> None:
    """Raise Unauthorized unless the request carries the API key, where one is set."""
    key = parts.settings.api_key
    if key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    wanted = key.get_secret_value()
    # Bytes: compare_digest refuses text beyond ASCII, and a header may hold any.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), wanted.encode()):
        raise Unauthorized("authorization: expected 'Bearer' and the API key of this service")
