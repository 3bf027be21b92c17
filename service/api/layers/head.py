"""HEAD for every path that has GET: the same header, no body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Runs HEAD as GET, and ends the request where the body would begin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def only_header(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b""})
                raise _HeaderSentError

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, only_header)
        except _HeaderSentError:
            pass
        finally:
            scope["method"] = "HEAD"


class _HeaderSentError(Exception):
    """Ends the application's work on a body that nobody gets."""
