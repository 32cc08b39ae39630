"""Each way in which an exchange with the archive can fail: what is said of it, and what to do."""

from __future__ import annotations

import logging
import resource
import socket
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pytest
from support.wires import AUTHORITY, OK, ProxyServer, abort, listening, saying

from winter_sync.archive.client import ArchiveClient
from winter_sync.archive.requests import Timeouts
from winter_sync.core.clocks import Time
from winter_sync.core.credentials import Credentials
from winter_sync.core.errors import BadAnswerError, TransientError, WinterSyncError
from winter_sync.core.proxies import Proxy, parse_proxy
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from support.wires import Answering

PROGRAM = "2024A000"
SECRET = Credentials("someone@example.org", "p@ss word/+&", {PROGRAM: "k=y?&#%/ü"})
HIDDEN = (
    "someone",
    "p@ss",
    "k=y",
    "k%3D",
    "k=y?",
    "program_api_key",
    "proxyuser",
    "pr0xy",
    "c29tZ",
)
QUERY = Query(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK), date(2025, 10, 20))
LATER = "Nothing is lost: it is tried again at the next poll."
REACH = (
    "Try again later, or correct host and port in api.base_url or "
    "WINTER_SYNC_API__BASE_URL. "
    "If this network needs a proxy, set api.proxy."
)
SHOWS = (
    f"{LATER} If it stays so, `curl -v URL/ping` shows the answer: "
    "something else may listen there, or a proxy interfere."
)
USUAL = Timeouts()
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def no_wait(seconds: float) -> None:
    """Wait no time."""
    del seconds


async def failure(
    url: str, proxy: Proxy | None = None, timeouts: Timeouts = USUAL
) -> WinterSyncError:
    """Ask a server for a listing; give how it failed, which shows no secret anywhere."""
    async with ArchiveClient(
        url, SECRET, proxy=proxy, interval=0, time=Time(sleep=no_wait), timeouts=timeouts
    ) as api:
        with pytest.raises(WinterSyncError) as failed:
            await api.query(QUERY)
    assert_silent(failed.value)
    return failed.value


def assert_silent(error: WinterSyncError) -> None:
    """Make sure that no form of showing an error shows a secret, bytes or a Python class."""
    chain: list[BaseException] = [error]
    while (context := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(context)
    shown = "\n".join(
        (
            *map(repr, chain),
            *(str(error), repr(error), error.message, error.remedy, repr(vars(error))),
            *traceback.format_exception(error),
            logging.Formatter().formatException((type(error), error, error.__traceback__)),
        )
    )
    for secret in HIDDEN:
        assert secret not in shown
    said = f"{error.message} {error.remedy}"
    assert said.isprintable()
    assert "b'" not in said
    assert "Error" not in said
    assert "Exception" not in said


@dataclass(frozen=True)
class Case:
    """A server that misbehaves and what is said; URL is its address, PLACE its host and port."""

    answer: Answering
    message: str
    remedy: str
    kind: type[WinterSyncError] = TransientError


BROKE = "the connection to URL broke: "
FRAMING = "the answer of URL is not valid HTTP: "
MAY_BE_TLS = f'{LATER} If it stays so, try base_url = "https://PLACE": the port may speak TLS.'


def moved(status: int, location: bytes) -> Answering:
    """Redirect."""
    head = b"HTTP/1.1 %d Moved\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
    return saying(head % (status, location))


def redirected(status: int, location: bytes, to: str) -> Case:
    """Make the case of a redirect to somewhere else."""
    return Case(
        moved(status, location),
        f"URL says that it has moved to {to} ({status})",
        "Redirects are not followed, as they would take the credentials along. If that is "
        f'the observatory\'s address now, write base_url = "{to}" under [api].',
        BadAnswerError,
    )


NOWHERE = "Check api.base_url: is it the observatory's API?"
ANSWERS = {
    "no answer": Case(saying(), BROKE + "it was closed without an answer", MAY_BE_TLS),
    "reset": Case(saying(reset=True), BROKE + "it was reset by the other side", LATER),
    "half the headers": Case(
        saying(HEAD + b"A: b"), BROKE + "it was closed inside the headers of the answer", LATER
    ),
    "length cut": Case(
        saying(HEAD + b"Content-Length: 10\r\n\r\nabc"),
        BROKE + "the answer was cut short after 3 of 10 bytes",
        LATER,
    ),
    "length cut by a reset": Case(
        saying(HEAD + b"Content-Length: 10\r\n\r\nabc", reset=True),
        BROKE + "the answer was cut short after 3 of 10 bytes",
        LATER,
    ),
    "chunk cut": Case(
        saying(CHUNKED + b"5\r\nabc"),
        BROKE + "the answer was cut short before its last chunk",
        LATER,
    ),
    "bad chunk": Case(
        saying(CHUNKED + b"zz\r\nabc\r\n"), FRAMING + "the size of a chunk cannot be read", SHOWS
    ),
    "bad length": Case(
        saying(HEAD + b"Content-Length: -5\r\n\r\nabc"),
        FRAMING + "its Content-Length makes no sense",
        SHOWS,
    ),
    "two lengths": Case(
        saying(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
        FRAMING + "its Content-Length makes no sense",
        SHOWS,
    ),
    "another protocol": Case(
        saying(b"SSH-2.0-OpenSSH_9.2\r\n"), FRAMING + "its first line is no status line", SHOWS
    ),
    "bad status": Case(
        saying(b"HTTP/1.1 abc OK\r\n\r\n"), FRAMING + "its first line is no status line", SHOWS
    ),
    "unknown version": Case(
        saying(b"HTTP/9.9 200 OK\r\n\r\n"), FRAMING + "its first line is no status line", SHOWS
    ),
    "HTTP/2": Case(
        saying(b"\0\0\x06\4\0\0\0\0\0\0\x05\0\0\x40\0"),
        FRAMING + "its first line is no status line",
        SHOWS,
    ),
    "long header": Case(
        saying(HEAD + b"A: " + b"x" * 9000 + b"\r\n\r\n"),
        FRAMING + "a header has more than 8190 bytes",
        SHOWS,
    ),
    "long status line": Case(
        saying(b"HTTP/1.1 200 " + b"x" * 90_000 + b"\r\n\r\n"),
        FRAMING + "a header has more than 8190 bytes",
        SHOWS,
    ),
    "many headers": Case(
        saying(HEAD + b"".join(b"A%d: b\r\n" % number for number in range(1000)) + b"\r\n"),
        FRAMING + "it has more than 128 headers",
        SHOWS,
    ),
    "endless headers": Case(
        saying(HEAD, *[b"A: b\r\n" * 1000] * 100), FRAMING + "it has more than 128 headers", SHOWS
    ),
    "many trailers": Case(
        saying(CHUNKED + b"0\r\n" + b"A: b\r\n" * 1000 + b"\r\n"),
        FRAMING + "it has more than 128 headers",
        SHOWS,
    ),
    "malformed header": Case(
        saying(HEAD + b"A b c\r\n\r\n"), FRAMING + "a header is malformed", SHOWS
    ),
    "header with a zero": Case(
        saying(HEAD + b"A: b\0c\r\n\r\n"), FRAMING + "a header is malformed", SHOWS
    ),
    "TLS alert": Case(
        saying(b"\x15\x03\x01\x00\x02\x02\x46"),
        "URL does not speak plain HTTP on this port, but TLS",
        'Write base_url = "https://PLACE" under [api], or the port that speaks plain HTTP.',
    ),
    "endless announcements": Case(
        saying(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 1000),
        "URL sent more than 16 informational answers (1xx) and no other",
        LATER,
    ),
    "unasked encoding": Case(
        saying(HEAD + b"Content-Encoding: \x1b[31mbr\r\nContent-Length: 2\r\n\r\n{}"),
        "the server compressed its answer in a way that we did not ask for "
        r"(Content-Encoding: \x1b[31mbr)",
        f"{LATER} If it stays so, a proxy in between may do it.",
        BadAnswerError,
    ),
    "unasked brotli": Case(
        saying(HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}"),
        "the server compressed its answer in a way that we did not ask for (Content-Encoding: br)",
        f"{LATER} If it stays so, a proxy in between may do it.",
        BadAnswerError,
    ),
    "gzip in gzip": Case(
        saying(HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}"),
        "the server compressed its answer in a way that we did not ask for "
        "(Content-Encoding: gzip, gzip)",
        f"{LATER} If it stays so, a proxy in between may do it.",
        BadAnswerError,
    ),
    "bad gzip": Case(
        saying(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        "the server's answer is not valid gzip",
        LATER,
        BadAnswerError,
    ),
    "moved for ever": redirected(301, b"https://new.example.org/x", "https://new.example.org"),
    "found": redirected(302, b"http://u:p@New.example.org:82/?k=1#f", "http://New.example.org:82"),
    "moved for now": redirected(307, b"//other.example.org", "http://other.example.org"),
    "moved with the method": redirected(
        308, b"http://[2001:db8::1]:82/", "http://[2001:db8::1]:82"
    ),
    "see other": redirected(303, b"https://portal.example.org", "https://portal.example.org"),
    "moved to itself": Case(
        moved(301, b"/elsewhere?k=1"),
        "URL redirects to another path of its own (301)",
        NOWHERE,
        BadAnswerError,
    ),
    **{
        f"moved {name}": Case(
            moved(302, location),
            "URL redirects, and not to an address that makes sense (302)",
            NOWHERE,
            BadAnswerError,
        )
        for name, location in {
            "nowhere": b"",
            "to a file": b"file:///etc/passwd",
            "to no host": b"https:///x",
            "to a mailbox": b"mailto:nobody@example.org",
            "to a broken address": b"http://[::1",
            "by escape sequences": b"http://a\xc2\x9b31m.example.org/",
            "to an endless host": b"http://" + b"a" * 300 + b"/",
        }.items()
    },
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_bad_answer_is_said_in_words(name: str) -> None:
    """Whatever a server does instead of answering, cause and remedy are reported exactly."""
    case = ANSWERS[name]
    async with listening(case.answer) as port:
        url = f"http://127.0.0.1:{port}"
        error = await failure(url)
    place = url.removeprefix("http://")
    assert error.message == case.message.replace("URL", url)
    assert error.remedy == case.remedy.replace("URL", url).replace("PLACE", place)
    assert isinstance(error, case.kind)


# --- no connection ---------------------------------------------------------------------------


@asynccontextmanager
async def full() -> AsyncIterator[int]:
    """Yield a port that takes no connection and refuses none: what waits there is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)  # noqa: FBT003 - its only parameter
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


async def test_a_refused_connection(unused_tcp_port: int) -> None:
    """Where nobody listens, it is said so, with what to look at."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    error = await failure(url)
    assert error.message == f"{url} cannot be reached: connection refused"
    assert error.remedy == REACH


async def test_an_unreachable_network() -> None:
    """Where no way leads to, the network is named, and not the archive."""
    error = await failure("http://127.255.255.255:82")
    assert error.message == "http://127.255.255.255:82 cannot be reached: network is unreachable"
    assert error.remedy == "Check this machine's network. If it needs a proxy, set api.proxy."


async def test_an_unknown_host() -> None:
    """An unknown name is reported as such, or that no name server answers, as it is here."""
    try:
        socket.getaddrinfo("archive.invalid", 82)
    except socket.gaierror as unknown:
        number = unknown.errno
    said = (
        "there is no host called archive.invalid"
        if number in (socket.EAI_NONAME, socket.EAI_NODATA)
        else "no name server answers for archive.invalid"
    )
    error = await failure("http://archive.invalid:82")
    assert error.message == f"http://archive.invalid:82 cannot be reached: {said}"
    assert error.remedy == (
        "Check the host in api.base_url, and name resolution here: `getent hosts archive.invalid`. "
        "If this network needs a proxy, set api.proxy."
    )


async def test_a_connection_that_does_not_come() -> None:
    """Where packets vanish, the error says how long it waited, and that a firewall may do it."""
    async with full() as port:
        url = f"http://127.0.0.1:{port}"
        error = await failure(url, timeouts=Timeouts(connect=0.05))
    assert error.message == f"{url} cannot be reached: no connection within 0.05 s"
    assert error.remedy == f"{REACH} A firewall that drops packets looks like this, too."


async def test_no_free_file_descriptor() -> None:
    """A machine that has no descriptor left is not called an archive that is down."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with ArchiveClient(
        "http://127.0.0.1:82", SECRET, interval=0, time=Time(sleep=no_wait)
    ) as api:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            with pytest.raises(TransientError) as failed:
                await api.ping()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert failed.value.message == "http://127.0.0.1:82 cannot be reached: too many open files"
    assert failed.value.remedy == (
        "Raise the limit of open files: LimitNOFILE= of the systemd unit, or `ulimit -n`."
    )


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the tests' authority, as a user who sets SSL_CERT_FILE does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))


CLOCK = "Check this machine's clock (`timedatectl`)."
CLIENT = "openssl s_client -connect PLACE </dev/null"
CERTIFICATES = {
    "expired": (
        "its certificate has expired",
        f"{CLOCK} If it is right, only those who run the server can renew the certificate.",
    ),
    "early": ("its certificate is not valid yet", CLOCK),
    "other": (
        "its certificate is not for 127.0.0.1",
        (
            f"Write the host in api.base_url as the certificate has it: `{CLIENT} | openssl x509 "
            f"-noout -subject -ext subjectAltName`."
        ),
    ),
}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("name", CERTIFICATES)
async def test_each_bad_certificate_is_said_in_words(name: str) -> None:
    """A certificate that is expired, early or another host's is named, with what to do."""
    message, remedy = CERTIFICATES[name]
    async with listening(saying(OK), name) as port:
        error = await failure(f"https://127.0.0.1:{port}")
    place = f"127.0.0.1:{port}"
    assert error.message == f"https://{place} cannot be reached: {message}"
    assert error.remedy == remedy.replace("PLACE", place)


async def test_an_untrusted_certificate() -> None:
    """A certificate of an unknown authority is reported, and how to make the authority known."""
    async with listening(saying(OK), "good") as port:
        error = await failure(f"https://127.0.0.1:{port}")
    assert error.message == (
        f"https://127.0.0.1:{port} cannot be reached: its certificate is not trusted "
        "(unable to get local issuer certificate)"
    )
    assert error.remedy == (
        "If it is the right server, set SSL_CERT_FILE to a PEM file with the certificate of the "
        "authority that issued it. If it is not, another machine intercepts the connection."
    )


@pytest.mark.usefixtures("trusted")
async def test_a_trusted_certificate_is_enough() -> None:
    """With the authority in SSL_CERT_FILE the archive is reached in TLS."""
    async with (
        listening(saying(OK), "good") as port,
        ArchiveClient(
            f"https://127.0.0.1:{port}", SECRET, interval=0, time=Time(sleep=no_wait)
        ) as api,
    ):
        await api.ping()


async def test_tls_to_a_port_that_speaks_plain_http() -> None:
    """The error has the line to write where https:// stands before a port of plain HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with listening(answer) as port:
        error = await failure(f"https://127.0.0.1:{port}")
    assert error.message == (
        f"https://127.0.0.1:{port} cannot be reached: it does not speak TLS on this port"
    )
    assert error.remedy == (
        f'Write base_url = "http://127.0.0.1:{port}" under [api], or the port that speaks TLS.'
    )


async def test_plain_http_to_a_port_that_speaks_tls() -> None:
    """Where a TLS server hangs up on plain HTTP, as OpenSSL's do, https:// is suggested."""
    async with listening(saying(OK), "good") as port:
        url = f"http://127.0.0.1:{port}"
        error = await failure(url)
    assert error.message == f"the connection to {url} broke: it was closed without an answer"
    assert error.remedy == MAY_BE_TLS.replace("PLACE", f"127.0.0.1:{port}")


async def test_a_handshake_that_is_hung_up_on() -> None:
    """A connection closed where TLS should begin is reported as that."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        abort(writer)

    async with listening(answer) as port:
        error = await failure(f"https://127.0.0.1:{port}")
    place = f"127.0.0.1:{port}"
    assert error.message == (
        f"https://{place} cannot be reached: the connection was closed during the TLS handshake"
    )
    assert error.remedy == (
        f"`openssl s_client -connect {place} </dev/null` shows what it offers. If it does not "
        f'speak TLS on this port, write base_url = "http://{place}" under [api].'
    )


async def test_a_handshake_that_is_refused() -> None:
    """What the server says against our TLS is reported in its words."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x15\x03\x03\x00\x02\x02\x28")
        await writer.drain()
        await reader.read()

    async with listening(answer) as port:
        error = await failure(f"https://127.0.0.1:{port}")
    place = f"127.0.0.1:{port}"
    assert error.message.startswith(f"https://{place} cannot be reached: TLS failed (")
    assert "handshake failure" in error.message
    assert error.remedy == (
        f"`openssl s_client -connect {place} </dev/null` shows what the server offers."
    )


async def test_a_handshake_that_does_not_come() -> None:
    """A server that takes the connection and says nothing is waited for as for any connection."""

    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(answer) as port:
        url = f"https://127.0.0.1:{port}"
        error = await failure(url, timeouts=Timeouts(connect=0.05))
    assert error.message == f"{url} cannot be reached: no TLS connection within 0.05 s"


# --- proxies ---------------------------------------------------------------------------------


def proxy_at(port: int, user: str = "proxyuser:pr0xy@") -> Proxy:
    """Return a proxy with a user and a password, as the environment names it."""
    return parse_proxy(f"http://{user}127.0.0.1:{port}", "http_proxy")


async def test_a_proxy_forwards_plain_http() -> None:
    """Requests to http:// go to the proxy whole, with its password, which goes no further."""
    proxy, seen = ProxyServer(), ProxyServer(refuses=b"HTTP/1.1 200 OK")
    async with listening(proxy.answer) as port, listening(seen.answer) as archive:
        url = f"http://127.0.0.1:{archive}"
        async with ArchiveClient(url, SECRET, proxy=proxy_at(port), interval=0) as api:
            await api.ping()
    (head,) = proxy.heads
    assert head.startswith(f"GET {url}/ping HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic cHJveHl1c2VyOnByMHh5\r\n" in head
    assert b"roxy" not in seen.heads[0]


@pytest.mark.usefixtures("trusted")
async def test_a_proxy_tunnels_tls() -> None:
    """Requests to https:// go through a tunnel; the proxy sees the place and nothing else."""
    proxy = ProxyServer()
    async with listening(proxy.answer) as port, listening(saying(OK), "good") as archive:
        url = f"https://127.0.0.1:{archive}"
        async with ArchiveClient(url, SECRET, proxy=proxy_at(port), interval=0) as api:
            await api.check_user()
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{archive} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic cHJveHl1c2VyOnByMHh5\r\n" in head
    assert b"c29t" not in head


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("certificate", [None, "good"], ids=["http", "https"])
async def test_a_proxy_may_speak_tls_itself(certificate: str | None) -> None:
    """A proxy that is https:// is spoken to in TLS, for both kinds of address."""
    proxy = ProxyServer()
    seen = ProxyServer(refuses=b"HTTP/1.1 200 OK")
    async with (
        listening(proxy.answer, "good") as port,
        listening(seen.answer, certificate) as archive,
        ArchiveClient(
            f"http{'s' if certificate else ''}://127.0.0.1:{archive}",
            SECRET,
            proxy=parse_proxy(f"https://127.0.0.1:{port}", "https_proxy"),
            interval=0,
        ) as api,
    ):
        await api.ping()
    assert len(proxy.heads) == len(seen.heads) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("proxyuser:pr0xy@", "does not accept the user and password given"),
        ("", "wants a user and password"),
    ],
    ids=["refused", "none"],
)
async def test_a_proxy_that_wants_credentials(scheme: str, user: str, said: str) -> None:
    """A 407 is the proxy's, for both kinds of address; the error says where the password goes."""
    proxy = ProxyServer(refuses=b"HTTP/1.1 407 Proxy Authentication Required")
    async with listening(proxy.answer) as port:
        error = await failure(f"{scheme}://127.0.0.1:1", proxy_at(port, user))
    assert error.message == f"the proxy http://127.0.0.1:{port} {said} (407)"
    assert error.remedy == (
        f"Set http_proxy=http://USER:PASSWORD@127.0.0.1:{port}, with %-escapes for :, @ and / in "
        "them."
    )
    assert len(proxy.heads) == 1


ALLOW = (
    "Ask who runs the proxy to allow 127.0.0.1:1; or set no_proxy=127.0.0.1 in the environment, "
    "if it can be reached without."
)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (403, ALLOW),
        (502, f"Is the archive up? {LATER} If it stays so, ask who runs the proxy."),
        (504, f"Is the archive up? {LATER} If it stays so, ask who runs the proxy."),
    ],
)
async def test_a_proxy_that_does_not_connect(status: int, remedy: str) -> None:
    """A tunnel that the proxy refuses, or cannot make, is reported as the proxy's doing."""
    proxy = ProxyServer(refuses=b"HTTP/1.1 %d No" % status)
    async with listening(proxy.answer) as port:
        error = await failure("https://127.0.0.1:1", proxy_at(port))
    assert error.message == (
        f"the proxy http://127.0.0.1:{port} does not connect us to 127.0.0.1:1 ({status})"
    )
    assert error.remedy == remedy


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there(scheme: str, unused_tcp_port: int) -> None:
    """A proxy that refuses the connection is named, and what names it, not the archive."""
    error = await failure(f"{scheme}://127.0.0.1:1", proxy_at(unused_tcp_port))
    assert error.message == (
        f"the proxy http://127.0.0.1:{unused_tcp_port} cannot be reached: connection refused"
    )
    assert error.remedy == (
        "It is named by http_proxy: check host and port there, and whether it is up."
    )


async def test_a_proxy_with_an_unknown_name() -> None:
    """The name that is not known is the proxy's."""
    error = await failure("http://127.0.0.1:1", parse_proxy("proxy.invalid:3128", "http_proxy"))
    assert error.message.startswith("the proxy http://proxy.invalid:3128 cannot be reached: ")
    assert error.message.endswith(" proxy.invalid")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_hangs_up(scheme: str) -> None:
    """A connection that breaks on the way is reported with the proxy it went through."""
    async with listening(saying()) as port:
        error = await failure(f"{scheme}://127.0.0.1:1", proxy_at(port))
    assert error.message == (
        f"the connection to {scheme}://127.0.0.1:1 through the proxy http://127.0.0.1:{port} "
        "broke: it was closed without an answer"
    )


async def test_a_proxy_that_announces_for_ever() -> None:
    """A proxy that answers CONNECT with announcements alone is given up, too."""
    flood = saying(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 100)
    async with listening(flood) as port:
        error = await failure("https://127.0.0.1:1", proxy_at(port))
    assert error.message == (
        "https://127.0.0.1:1 sent more than 16 informational answers (1xx) and no other"
    )


async def test_a_server_error_may_be_the_proxys() -> None:
    """Behind a proxy of plain HTTP nobody can tell who answers 503, and nothing else is said."""
    proxy = ProxyServer(refuses=b"HTTP/1.1 503 Unavailable")
    async with listening(proxy.answer) as port:
        error = await failure("http://127.0.0.1:1", proxy_at(port))
    assert error.message == (
        f"the server, or the proxy http://127.0.0.1:{port}, returns errors (503): nothing more"
    )
