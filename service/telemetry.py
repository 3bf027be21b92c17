"""Logs: one structured line per event, JSON for machines or text for people; libraries' records in the same format."""

import logging
import sys

import structlog

from service.environment import service_links

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
MOST_LINE = 1000
MOST_TEXT = 8000
"""Most characters of one value: a traceback or a message may hold what a client sent."""
KEPT = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    # plain text: tracebacks with the values of variables cost seconds and megabytes, and hold what clients sent
    structlog.processors.format_exc_info,
)


def configure_logging(level: str, *, json: bool) -> None:
    """Send structlog and the standard library's loggers to standard error.

    Args:
        level: minimum severity: `debug`, `info`, `warning` or `error`. For loggers of libraries, at least `warning`.
        json: write JSON lines instead of text.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*KEPT, _shortened, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *KEPT],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _shortened, renderer],
        )
    )
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), handlers=[handler], force=True)
    if ignored := service_links():
        structlog.get_logger().warning("variables that Kubernetes sets for services are not settings", names=ignored)


def _shortened(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Of a long text its beginning and its end, where a traceback has its cause; of a long line its beginning."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MOST_LINE:
            lines = (line if len(line) <= MOST_LINE else f"{line[:MOST_LINE]} …" for line in value.split("\n"))
            text = "\n".join(lines)
            event[name] = (
                text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 4]} … {text[-MOST_TEXT * 3 // 4 :]}"
            )
    return event
