"""Hostile requests, byte by byte, and the statuses that each may get.

The reasons are in the names. `CLOSED` stands for a connection that is closed without an answer.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

CLOSED = 0
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
VIDEO = "0" * 64
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


@dataclass(frozen=True)
class Abuse:
    """One request, or something like it.

    Attributes:
        name: what is wrong with it.
        sent: all bytes that are sent.
        statuses: of which the answer must have one.
        ends: the client says that no more comes, so that nothing has to be waited for.
    """

    name: str
    sent: bytes
    statuses: frozenset[int]
    ends: bool = False


def request(
    method: bytes, target: bytes, headers: bytes = b"", content: bytes | None = None, host: bytes = HOST
) -> bytes:
    """One request on a connection of its own."""
    length = b"" if content is None else b"Content-Length: %d\r\n" % len(content)
    head = b"%s %s HTTP/1.1\r\n%sConnection: close\r\n%s%s\r\n" % (method, target, host, headers, length)
    return head + (content or b"")


def _rows(rows: dict[str, tuple[bytes, set[int]]], *, ends: bool = False) -> list[Abuse]:
    return [Abuse(name, sent, frozenset(statuses), ends) for name, (sent, statuses) in rows.items()]


def _headers(**rows: tuple[bytes, set[int]]) -> dict[str, tuple[bytes, set[int]]]:
    """Of requests that would be right without these headers."""
    return {
        name.replace("_", " "): (request(b"GET", b"/v1/models", headers), statuses)
        for name, (headers, statuses) in rows.items()
    }


PROTOCOL = _rows(
    {
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
        "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404}),
        "two hosts": (request(b"GET", b"/", host=HOST + HOST), {400}),
        "no host": (request(b"GET", b"/", host=b""), {400}),
        "no host in HTTP/1.0": (b"GET /livez HTTP/1.0\r\n\r\n", {200, 400, 421}),
        "an unknown version": (b"GET / HTTP/9.9\r\n" + HOST + b"Connection: close\r\n\r\n", {200, 505}),
        "random bytes": (bytes(range(256)) * 8 + b"\r\n\r\n", {400}),
        "null bytes": (bytes(4096) + b"\r\n\r\n", {400}),
        "a space too many": (request(b"GET", b"/ livez"), {400}),
        "a tab in the target": (request(b"GET", b"/\tlivez"), {400}),
        "a null byte in the target": (request(b"GET", b"/\0livez"), {400}),
        "a byte that is not ASCII in the target": (request(b"GET", b"/\xff"), {400}),
        "a long method": (request(b"X" * 5000, b"/"), {400, 405}),
        "a method in small letters": (request(b"get", b"/livez"), {400, 405}),
        "a long target": (request(b"GET", b"/" + b"a" * 200_000), {400}),
        "a header of a megabyte": (request(b"GET", b"/", b"X: " + b"x" * 1_000_000 + b"\r\n"), {400}),
        "a header without a colon": (request(b"GET", b"/", b"hello\r\n"), {400}),
        "a space before the colon": (request(b"GET", b"/", b"X : y\r\n"), {400}),
        "a header without a name": (request(b"GET", b"/", b": y\r\n"), {400}),
        "a null byte in a header": (request(b"GET", b"/", b"X: a\0b\r\n"), {400}),
        "a folded header": (request(b"GET", b"/livez", b"X: a\r\n b\r\n"), {200, 400}),
        "two thousand headers": (
            request(b"GET", b"/livez", b"".join(b"X%d: y\r\n" % n for n in range(2000))),
            {200, 400},
        ),
        "two lengths": (request(b"POST", b"/v1/jobs", b"Content-Length: 3\r\nContent-Length: 4\r\n"), {400}),
        "a length below zero": (request(b"POST", b"/v1/jobs", b"Content-Length: -1\r\n"), {400}),
        "a length with a sign": (request(b"POST", b"/v1/jobs", b"Content-Length: +1\r\n"), {400}),
        "a length with 30 digits": (
            request(b"POST", b"/v1/jobs", JSON + b"Content-Length: %s\r\n" % (b"9" * 30)),
            {400, 413},
        ),
        "a length of words": (request(b"POST", b"/v1/jobs", b"Content-Length: x\r\n"), {400}),
        "an unknown transfer coding": (request(b"POST", b"/v1/jobs", b"Transfer-Encoding: gzip\r\n"), {400}),
        "length and chunks": (
            request(b"POST", b"/v1/jobs", JSON + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
            {400},
        ),
        "a chunk size of words": (
            request(b"POST", b"/v1/videos", b"Transfer-Encoding: chunked\r\n") + b"zz\r\n",
            {400},
        ),
        "a chunk size of 40 digits": (
            request(b"POST", b"/v1/videos", b"Transfer-Encoding: chunked\r\n") + b"f" * 40 + b"\r\n",
            {400, 413},
        ),
        "a chunk that ends elsewhere": (
            request(b"POST", b"/v1/videos", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabcd\r\n0\r\n\r\n",
            {400},
        ),
        "a chunk with a huge extension": (
            request(b"POST", b"/v1/videos", b"Transfer-Encoding: chunked\r\n") + b"3;" + b"x" * 500_000 + b"\r\n",
            {400},
        ),
        "another site's whole address": (request(b"GET", b"http://evil.example/livez"), {200, 400, 404, 421}),
        "the target *": (request(b"OPTIONS", b"*"), {400, 404, 405}),
        "a tunnel": (request(b"CONNECT", b"evil.example:443"), {400, 404, 405}),
        "TRACE": (request(b"TRACE", b"/livez"), {405}),
        "a websocket": (request(b"GET", b"/livez", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"), {200}),
        "an unknown expectation": (request(b"POST", b"/v1/jobs", JSON + b"Expect: cake\r\n", b"{}"), {417, 422}),
        "a smuggled request": (
            b"GET /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + request(b"GET", b"/v1/nothing"),
            {200},
        ),
    }
)

SLOW = [
    *_rows(
        {
            "silence": (b"", {CLOSED}),
            "part of the first line": (b"GET /livez HT", {408}),
            "all of the header but its end": (request(b"GET", b"/livez")[:-2], {408}),
            "a body that does not come": (request(b"POST", b"/v1/jobs", JSON + b"Content-Length: 9\r\n"), {408}),
            "part of a body": (request(b"POST", b"/v1/videos", b"Content-Length: 9\r\n") + b"x", {408}),
            "part of a chunk": (
                request(b"POST", b"/v1/videos", b"Transfer-Encoding: chunked\r\n") + b"9\r\nx",
                {408},
            ),
            "part of a form": (
                request(b"POST", b"/v1/jobs", FORM + b"Content-Length: 999\r\n") + b"--b\r\nContent-Dis",
                {408},
            ),
        }
    ),
    *_rows(
        {
            "part of the first line, and gone": (b"GET /livez HT", {CLOSED, 400, 408}),
            "part of a body, and gone": (
                request(b"POST", b"/v1/videos", b"Content-Length: 9\r\n") + b"x",
                {CLOSED, 400, 408},
            ),
        },
        ends=True,
    ),
]

TARGETS = [
    Abuse(f"{method.decode()} {target.decode('latin-1')[:40]}", request(method, target), frozenset(statuses))
    for method, target, statuses in (
        (b"GET", b"/v1/jobs/%ff%fe", {404}),
        (b"GET", b"/v1/jobs/%00", {404}),
        (b"GET", b"/v1/jobs/%c0%af", {404}),
        (b"GET", b"/v1/jobs/..%2f..%2fetc%2fpasswd", {404}),
        (b"GET", b"/v1/jobs/" + b"a" * 20_000, {404}),
        (b"GET", b"/v1/jobs/%f0%9f%8e%ac", {404}),
        (b"GET", b"/v1/jobs/*", {404}),
        (b"GET", b"/v1/jobs/%5b%5d%2a%3f", {404}),
        (b"GET", b"/v1/jobs/%0d%0aSet-Cookie:%20a=b", {404}),
        (b"DELETE", b"/v1/jobs/%00", {404}),
        (b"GET", b"/v1/videos/%00", {404}),
        (b"GET", b"/v1/videos/..%2f..", {404}),
        (b"DELETE", b"/v1/videos/" + b"f" * 64, {404}),
        (b"GET", b"/v1/jobs/%2e%2e/%2e%2e/etc/passwd", {404}),
        (b"GET", b"/../../etc/passwd", {404}),
        (b"GET", b"//etc/passwd", {404}),
        (b"GET", b"/docs/../../etc/passwd", {404}),
        (b"GET", b"/docs/%2e%2e/%2e%2e/settings.py", {404}),
        (b"GET", b"/" + b"a/" * 20_000, {404}),
        (b"GET", b"/%", {404}),
        (b"GET", b"/%zz", {404}),
        (b"GET", b"/v1/jobs/x?wait=%ff", {422}),
        (b"GET", b"/v1/jobs/x?wait=nan", {422}),
        (b"GET", b"/v1/jobs/x?wait=inf", {422}),
        (b"GET", b"/v1/jobs/x?wait=1e999", {422}),
        (b"GET", b"/v1/jobs/x?wait=-1", {422}),
        (b"GET", b"/v1/jobs/x?wait=", {422}),
        (b"GET", b"/v1/jobs/x?wait=1&wait=x", {404, 422}),
        (b"GET", b"/v1/jobs/x?version=-1", {422}),
        (b"GET", b"/v1/jobs/x?version=" + b"9" * 400, {404, 422}),
        (b"GET", b"/v1/jobs/x?version=" + b"9" * 20_000, {422}),
        (b"GET", b"/v1/jobs/x?wait=1&version=" + b"9" * 400, {404, 422}),
        (b"GET", b"/v1/jobs/x?wait=" + b"0" * 60_000, {404, 422}),
        (b"GET", b"/v1/jobs/x?" + b"a=b&" * 15_000, {404}),
        (b"GET", b"/v1/jobs/x/result?format=%00", {422}),
        (b"GET", b"/v1/jobs/x/result?format=" + b"x" * 60_000, {422}),
        (b"GET", b"/v1/jobs/x/result?format=ytvis&format=coco-rle", {404}),
        (b"GET", b"/livez?" + b"%" * 50_000, {200}),
        (b"PUT", b"/v1/videos", {405}),
        (b"PATCH", b"/v1/jobs/x", {405}),
        (b"POST", b"/v1/jobs/x/result", {405}),
        (b"POST", b"/livez", {405}),
        (b"PROPFIND", b"/v1/jobs", {405}),
        (b"OPTIONS", b"/v1/jobs", {405}),
    )
]

HEADERS = _rows(
    _headers(
        a_long_request_id=(b"X-Request-ID: " + b"x" * 50_000 + b"\r\n", {200}),
        a_request_id_of_bytes=(b"X-Request-ID: \xff\xfe\r\n", {200}),
        a_key_of_bytes=(b"Authorization: Bearer \xff\xfe\r\n", {200, 401}),
        a_long_accept_encoding=(b"Accept-Encoding: " + b"gzip;q=0.1," * 4000 + b"\r\n", {200}),
        an_accept_encoding_without_numbers=(b"Accept-Encoding: gzip;q=x, br;q=\xff\r\n", {200}),
        a_long_cookie=(b"Cookie: " + b"a=b;" * 12_000 + b"\r\n", {200}),
        forwarded_nonsense=(
            b"X-Forwarded-For: \xff, , ,\r\nX-Forwarded-Prefix: //evil\r\nForwarded: for=;;;\r\n",
            {200},
        ),
        a_body_with_GET=(b"Content-Length: 3\r\n\r\nabc", {200}),
        a_range_of_nothing=(b"Range: bytes=99999999999999999999-\r\n", {200}),
        a_thousand_ranges=(b"Range: bytes=" + b"0-0," * 10_000 + b"\r\n", {200}),
    )
    | {
        "another site's name": (request(b"GET", b"/v1/models", host=b"Host: evil.example\r\n"), {421}),
        "a host that is no name": (request(b"GET", b"/v1/models", host=b"Host: \xff[[[:::\r\n"), {421}),
        "a host with a port of words": (request(b"GET", b"/v1/models", host=b"Host: localhost:x\r\n"), {200, 400, 421}),
        "another site's origin": (request(b"DELETE", b"/v1/jobs/x", b"Origin: http://evil.example\r\n"), {403}),
        "an origin that is no address": (request(b"DELETE", b"/v1/jobs/x", b"Origin: http://[\xff\r\n"), {403}),
    }
)


def _job(name: str, content: bytes, *statuses: int, headers: bytes = JSON) -> Abuse:
    return Abuse(name, request(b"POST", b"/v1/jobs", headers, content), frozenset(statuses))


def _parameters(name: str, text: str) -> Abuse:
    return _job(f"parameters: {name}", b'{"video_id": "%s", "parameters": %s}' % (VIDEO.encode(), text.encode()), 422)


BODIES = [
    _job("no body", b"", 400),
    _job("null", b"null", 422),
    _job("a list", b"[]", 422),
    _job("a text", b'"x"', 422),
    _job("a number", b"1", 422),
    _job("half an object", b'{"video_id": ', 400),
    _job("two objects", b"{}{}", 400),
    _job("deep lists", b"[" * 60_000, 400),
    _job("deep lists that end", b"[" * 30_000 + b"]" * 30_000, 400, 422),
    _job("deep objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, 422),
    _job("deep parameters", b'{"parameters":' * 4000 + b"1" + b"}" * 4000, 400, 422),
    _job("NaN", b'{"video_id": NaN}', 400),
    _job("infinity", b'{"video_id": -Infinity}', 400),
    _job("a number that is too large", b'{"video_id": 1e999}', 422),
    _job("a number of 60000 digits", b'{"video_id": ' + b"9" * 60_000 + b"}", 400, 422),
    _job("the same member twice", b'{"video_id": "x", "video_id": "%s"}' % VIDEO.encode(), 404),
    _job("half a surrogate pair", b'{"video_id": "\\ud800"}', 400),
    _job("bytes that are not UTF-8", b'{"video_id": "\xff\xfe"}', 400),
    _job("UTF-16", '{"video_id": "x"}'.encode("utf-16"), 400, 404, 422),
    _job("only a byte order mark", b"\xef\xbb\xbf", 400),
    _job("null bytes", bytes(1000), 400),
    _job("a null byte in a text", b'{"video_id": "a\\u0000b"}', 404, 422),
    _job("too large", b" " * (64 * 1024 + 1), 413),
    _job("4000 unknown members", json.dumps({f"x{n}": n for n in range(4000)}).encode(), 422),
    _job("an unknown video", b'{"video_id": "%s"}' % VIDEO.encode(), 404),
    _job("a video that is a path", b'{"video_id": "../../etc/passwd"}', 404, 422),
    _job("a video that is a number", b'{"video_id": 7}', 422),
    _job("detections that are a path", b'{"video_id": "%s", "detections": "../x"}' % VIDEO.encode(), 404, 422),
    _parameters("a list", "[]"),
    _parameters("an unknown one", '{"th_sq": 1}'),
    _parameters("a number out of range", '{"th_det": 2}'),
    _parameters("the largest number", '{"th_det": 1.7e308}'),
    _parameters("a text for a number", '{"th_det": "0.5"}'),
    _parameters("a million seeds", '{"max_seeds": 1000000000000000000000000}'),
    _parameters("a number below zero", '{"max_seeds": -1}'),
    _parameters("a member of Python", '{"__class__": {"__init__": 1}}'),
    _job(
        "more categories than fit",
        json.dumps({"video_id": VIDEO, "parameters": {"categories": ["x" * 40] * 1000}}).encode(),
        404,
        413,
        422,
    ),
    _job("no content type", b"{}", 415, headers=b""),
    _job("HTML", b"<p>", 415, headers=b"Content-Type: text/html\r\n"),
    _job("a form of a browser", b"a=b", 415, headers=b"Content-Type: application/x-www-form-urlencoded\r\n"),
    _job("a content type of bytes", b"{}", 415, headers=b"Content-Type: \xff\xfe/\xff\r\n"),
    _job("a long content type", b"{}", 415, headers=b"Content-Type: " + b"a/b;" * 12_000 + b"\r\n"),
    _job("an unknown charset", b"{}", 415, 422, headers=b"Content-Type: application/json; charset=klingon\r\n"),
    _job("compressed", b"\x1f\x8b", 415, headers=JSON + b"Content-Encoding: gzip\r\n"),
    _job("compressed twice", b"{}", 415, headers=JSON + b"Content-Encoding: gzip, br\r\n"),
    _job("a long idempotency key", b"{}", 422, headers=JSON + b"Idempotency-Key: " + b"k" * 60_000 + b"\r\n"),
    _job("an idempotency key of bytes", b"{}", 422, headers=JSON + b"Idempotency-Key: \xff\xfe\r\n"),
    _job("an idempotency key of nothing", b"{}", 422, headers=JSON + b"Idempotency-Key: \r\n"),
]


def part(head: bytes, content: bytes = b"x") -> bytes:
    """One part of a form."""
    return b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="%s"'
END = b"--b--\r\n"
FILE = NAMED % b"file"


def _forms() -> Iterator[Abuse]:
    """Each form as a job and as a video."""
    rows: dict[str, tuple[bytes, set[int]]] = {
        "nothing": (b"", {400}),
        "only the end": (END, {400, 422}),
        "no end": (part(FILE), {400, 415, 422}),
        "no boundary at all": (b"hello" * 1000, {400}),
        "a preamble that does not end": (b"x" * 100_000, {400}),
        "another boundary": (b"--c\r\n" + FILE + b"\r\n\r\nx\r\n--c--\r\n", {400}),
        "a part without a header": (b"--b\r\n\r\nx\r\n" + END, {400}),
        "a header that does not end": (b"--b\r\n" + FILE, {400}),
        "a header of a megabyte": (part(b"X: " + b"x" * 1_000_000) + END, {400}),
        "a header without a colon": (part(b"hello") + END, {400}),
        "a header of bytes": (part(b"\xff\xfe: \0") + END, {400}),
        "ten thousand headers": (part(b"\r\n".join(b"X%d: y" % n for n in range(10_000))) + END, {400}),
        "no name": (part(b"Content-Disposition: form-data") + END, {400}),
        "no disposition": (part(b"Content-Type: video/mp4") + END, {400}),
        "another disposition": (part(b'Content-Disposition: attachment; name="file"') + END, {400}),
        "a name of bytes": (part(NAMED % b"\xff\xfe\0") + END, {400, 422}),
        "a name of a megabyte": (part(NAMED % (b"x" * 1_000_000)) + END, {400, 413, 422}),
        "an unknown part": (part(NAMED % b"more") + END, {422}),
        "ten thousand parts": (part(NAMED % b"more") * 10_000 + END, {422}),
        "the same part twice": (part(NAMED % b"video_id") * 2 + END, {422}),
        "only line feeds": (b"--b\n" + FILE + b"\n\nx\n--b--\n", {400}),
        "a form in a form": (
            part(b'Content-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=c', b"--c--")
            + END,
            {415, 422},
        ),
        "a file that is none": (part(FILE + b'; filename="a.mp4"') + END, {415, 422}),
        "an empty file": (part(FILE + b'; filename="a.mp4"', b"") + END, {400, 415, 422}),
        "a file name of null bytes": (part(FILE + b'; filename="\0\0.mp4"') + END, {400, 415, 422}),
        "a file name that is a path": (part(FILE + b'; filename="../../../etc/passwd"') + END, {415, 422}),
        "a file name of 50 kB": (part(FILE + b'; filename="%s"' % (b"x" * 50_000)) + END, {400, 415, 422}),
        "a file name without its end": (part(FILE + b'; filename="a.mp4') + END, {400, 415, 422}),
        "a file name in an unknown charset": (part(FILE + b"; filename*=klingon''a") + END, {415, 422}),
        "a coding of the content": (part(FILE + b"\r\nContent-Transfer-Encoding: base64", b"AAAA") + END, {415, 422}),
        "more after the end": (part(FILE) + END + b"x" * 100_000, {400, 415, 422}),
    }
    only_jobs: dict[str, tuple[bytes, set[int]]] = {
        "parameters that are no JSON": (part(NAMED % b"parameters", b"{") + END, {400}),
        "parameters of bytes": (part(NAMED % b"parameters", b"\xff\xfe") + END, {400}),
        "deep parameters": (part(NAMED % b"parameters", b"[" * 60_000) + END, {400}),
        "parameters of a megabyte": (part(NAMED % b"parameters", b" " * 1_000_000) + END, {413}),
        "parameters of null bytes": (part(NAMED % b"parameters", bytes(1000)) + END, {400}),
        "a video id of bytes": (part(NAMED % b"video_id", b"\xff\xfe") + END, {404, 422}),
        "a video id of a megabyte": (part(NAMED % b"video_id", b"0" * 1_000_000) + END, {413}),
        "a video and its id": (part(NAMED % b"video_id", VIDEO.encode()) + part(FILE) + END, {422}),
        "detections without a video": (part(NAMED % b"detections", b"[]") + END, {422}),
        "detections of an unknown video": (
            part(NAMED % b"detections", b"[]") + part(NAMED % b"video_id", VIDEO.encode()) + END,
            {404, 422},
        ),
    }
    for target, table in ((b"/v1/jobs", rows | only_jobs), (b"/v1/videos", rows)):
        for name, (content, statuses) in table.items():
            yield Abuse(f"{target.decode()}: {name}", request(b"POST", target, FORM, content), frozenset(statuses))


BOUNDARIES = [
    Abuse(f"boundary {name}", request(b"POST", target, kind, b"--b--\r\n"), frozenset({400, 415}))
    for target, (name, kind) in itertools.product(
        (b"/v1/jobs", b"/v1/videos"),
        (
            ("missing", b"Content-Type: multipart/form-data\r\n"),
            ("empty", b"Content-Type: multipart/form-data; boundary=\r\n"),
            ("of bytes", b"Content-Type: multipart/form-data; boundary=\xff\xfe\r\n"),
            ("of 257 characters", b"Content-Type: multipart/form-data; boundary=" + b"x" * 257 + b"\r\n"),
            ("of 50000 quotes", b"Content-Type: multipart/form-data; boundary=" + b'"' * 50_000 + b"\r\n"),
        ),
    )
]

TABLE = [*PROTOCOL, *TARGETS, *HEADERS, *BODIES, *_forms(), *BOUNDARIES]
