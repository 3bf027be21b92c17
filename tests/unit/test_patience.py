"""No test rests on the clock: each waits for a condition, and only `PATIENCE_S` ends one that hangs.

Looked for are limits under a minute, where a busy machine exceeds them by itself, rests, and readings of the clock.
Each exception says why it can't make a test fail.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LEAST_S = 60
CALLS = frozenset({"wait", "join", "wait_for", "timeout", "next", "create_connection", "settimeout", "sleep"})
"""Functions whose number is one of seconds."""
NAMES = (
    "timeout",
    "timeout_s",
    "shutdown",
    "deadline_s",
    "wall_s",
    "silent_s",
    "lease_s",
    "header_s",
    "read_s",
    "stopping_s",
    "seconds",
)
"""How the names of limits end: of arguments, attributes, settings and constants."""
CLOCKS = frozenset({"monotonic", "perf_counter"})
HTTPX = frozenset({"get", "post", "head", "delete", "Client", "AsyncClient"})
"""Its own limit is 5 s: `tests.support.patience` has some without."""
PROGRAMS = ("load", "mutations", "support/corpus.py", "support/patience.py")
"""They measure, or are what tests wait with."""

NEVER = "what it limits never comes: only the event counts, not when"
PACE = "a pause between two looks at a condition, or between two messages"
ABSENCE = "time for what must not happen: on a slow machine it may miss a fault, but makes none"
ENDS = "only to end what hangs"
MESSAGE = "a value in a message"
EXCEPTIONS = {
    "contract/inference/test_policies.py": {"test_deadline": NEVER, "test_close_reaches_the_inner_client": NEVER},
    "contract/state/artifacts/test_owner.py": {"test_nothing_refers_to_an_expired_one": PACE, "_polls": ABSENCE},
    "contract/state/test_events.py": {"waiting": ABSENCE, "reading": PACE},
    "contract/state/test_expiry.py": {"expired": PACE},
    "contract/worker/scripted_engine.py": {"until_cancel": PACE, "limits": NEVER},
    "contract/worker/test_engine_main.py": {"test_settings_that_are_left_out_come_from_the_environment": MESSAGE},
    "unit/dualtrack/test_protocol.py": {"LINES": MESSAGE},
    "contract/worker/test_engine_frozen.py": {
        "SHORT_S": "only of engines that are frozen, or looked at when they have computed",
        "TURN_S": "processor time",
        "until_it_computed": PACE,
    },
    "integration/api/api_service.py": {"server": "ends what a test has left unanswered"},
    "integration/api/test_artifacts.py": {"work": PACE},
    "integration/api/test_client.py": {
        "act": NEVER,
        "test_errors_are_ours": NEVER,
        "test_download_waits_for_the_overlay": NEVER,
    },
    "integration/api/test_connections.py": {
        "deadline": NEVER,
        "test_the_next_header_of_a_kept_connection_has_a_deadline_too": NEVER,
        "test_a_client_that_does_not_read_is_cut_off": NEVER,
        "test_uploads_that_trickle_make_room_for_others": NEVER,
    },
    "integration/processes/test_heartbeat.py": {"main": ABSENCE},
    "integration/worker/fake_engine.py": {"work": PACE},
    "integration/worker/test_worker.py": {
        "test_a_job_of_a_newer_version_waits_for_it_and_holds_no_other_up": "no other worker can take a lease that ends",
    },
    "reliability/accepted.py": {"_ended": ENDS, "_downloaded": ENDS},
    "reliability/responses.py": {"PAUSE_S": PACE, "call": ENDS},
    "reliability/following.py": {"until": ENDS},
    "reliability/program.py": {"HEADER_S": "of clients that send no header; the others send it at once"},
    "reliability/storm.py": {"_wait_for": ENDS},
    "schema/hooks.py": {"CUT_SHORT_S": "of a long poll that has nothing to wait for"},
    "triton/server.py": {
        "STOP_S": "ends what a test has left running",
        "_wait_ready": "asks again and again until PATIENCE_S",
    },
    "triton/test_triton_faults.py": {
        "work": "paces, and the deadline of a call that waits for two slower ones",
        "test_frozen_server_is_a_timeout_that_names_the_model": NEVER,
        "test_server_killed_and_started_again_in_mid_job": ABSENCE,
    },
    "triton/test_triton_shared.py": {
        "test_a_killed_client_leaves_nothing_after_the_next_start": ABSENCE,
        "work": "paces, and the deadline of calls that a frozen server never answers",
    },
    "unit/media/test_guard.py": {
        "test_a_child_that_computes_without_a_message_is_stuck_in_the_file": NEVER,
        "test_a_child_that_gets_no_processor_time_is_not_the_files_fault": NEVER,
        "test_a_child_that_waits_for_its_turn_is_waited_for": "the child outlasts it by intention",
        "test_one_that_hardly_gets_any_is_given_up_but_not_blamed": NEVER,
    },
}


def clock_uses(tree: ast.AST, function: str = "") -> Iterator[tuple[str, int, str]]:
    """Where a test rests on the clock: the innermost function or the constant, the line and what is there."""
    for node in ast.iter_child_nodes(tree):
        inner = function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not function:
            inner = node.targets[0].id
        yield from ((inner, getattr(node, "lineno", 0), what) for what in _uses(node))
        yield from clock_uses(node, inner)


def _uses(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name("httpx"), attr=name)) if name in HTTPX:
            if not any(keyword.arg in {"timeout", "transport"} for keyword in node.keywords):
                yield f"httpx.{name} without a timeout"
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(name)) if name in CLOCKS:
            yield name
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(name), args=arguments) if name in CALLS:
            yield from (f"{name}({each.value})" for each in arguments if _is_short(each))
        case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(str(name)), value]):
            yield from _limit(name, value)
        case ast.keyword(str(name), value) | ast.Assign([ast.Name(name) | ast.Attribute(attr=name)], value):
            yield from _limit(name, value)
        case ast.arguments():
            named = [*zip(reversed(node.args), reversed(node.defaults), strict=False)]
            for each, default in [*named, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:
                yield from _limit(each.arg, default)


def _limit(name: str, value: ast.AST | None) -> Iterator[str]:
    if (name.lower().endswith(NAMES) or (name.isupper() and name.endswith("_S"))) and _is_short(value):
        yield f"{name}={ast.unparse(value)}" if value is not None else name


def _is_short(value: ast.AST | None) -> bool:
    number = value.value if isinstance(value, ast.Constant) else None
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < LEAST_S


def found() -> list[tuple[str, str, int, str]]:
    paths = {path.relative_to(TESTS).as_posix(): path for path in sorted(TESTS.rglob("*.py"))}
    return [
        (name, *use)
        for name, path in paths.items()
        if not name.startswith(PROGRAMS)
        for use in clock_uses(ast.parse(path.read_text()))
    ]


def test_no_test_rests_on_the_clock() -> None:
    wrong = [
        f"{name}:{line}: {what}" for name, function, line, what in found() if function not in EXCEPTIONS.get(name, {})
    ]
    assert not wrong, "wait for a condition (tests/support/patience.py), or say above why the clock does no harm"


def test_every_exception_is_one() -> None:
    used = {(name, function) for name, function, _, _ in found()}
    assert {(name, function) for name, functions in EXCEPTIONS.items() for function in functions} == used


@pytest.mark.parametrize(
    "line",
    [
        "time.sleep(1)",
        "process.wait(20)",
        "Client(url, deadline_s=5)",
        "START_S = 30",
        "def ask(*, deadline_s: float = 10): ...",
        'patch.setattr(module, "read_s", 0.2)',
        "httpx.get(url)",
        "start = time.monotonic()",
    ],
)
def test_what_is_found(line: str) -> None:
    assert len(list(clock_uses(ast.parse(line)))) == 1


@pytest.mark.parametrize("line", ["process.wait(PATIENCE_S)", "asyncio.sleep(0)", "httpx.get(url, timeout=600)"])
def test_what_is_not(line: str) -> None:
    assert not list(clock_uses(ast.parse(line)))
