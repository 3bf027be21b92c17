"""Logging: one structured line per event, as JSON or as text."""

import logging
import sys

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: str, *, json: bool) -> None:
    """Send structlog and the standard library's loggers to standard error.

    Args:
        level: minimum severity: `debug`, `info`, `warning` or `error`. For loggers of libraries, at least `warning`.
        json: write JSON lines instead of text; the standard library's loggers always write text.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), format="%(asctime)s %(name)s %(message)s")
