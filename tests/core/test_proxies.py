"""Which proxy is used: curl's rules, beside curl itself, and a password that is never shown."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.command import PASSWORD, USER, leaked, run, served, settings_file
from support.wires import ProxyServer, listening

from winter_sync.cli.checks.examination import examine
from winter_sync.config.readiness import read_credentials
from winter_sync.config.settings import load_settings
from winter_sync.core.errors import ExitCode, UsageError
from winter_sync.core.proxies import Proxy, choose_proxy, parse_proxy
from winter_sync.core.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winter_sync.simulator import Simulator

HTTP, HTTPS = "http://a.invalid:82", "https://a.invalid:82"
P = "127.0.0.1:9"
SECRETS = ("proxy+user", "pr0xy/w&rd")
USERINFO = "proxy%2Buser:pr0xy%2Fw%26rd@"
NAMES: tuple[tuple[dict[str, str], str, bool], ...] = (
    # environment, address, whether a proxy is used
    ({}, HTTP, False),
    ({"http_proxy": P}, HTTP, True),
    ({"http_proxy": P}, HTTPS, False),
    ({"HTTP_PROXY": P}, HTTP, False),
    ({"https_proxy": P}, HTTPS, True),
    ({"HTTPS_PROXY": P}, HTTPS, True),
    ({"https_proxy": P}, HTTP, False),
    ({"all_proxy": P}, HTTP, True),
    ({"all_proxy": P}, HTTPS, True),
    ({"ALL_PROXY": P}, HTTP, True),
    ({"ALL_PROXY": P}, HTTPS, True),
    ({"http_proxy": "", "ALL_PROXY": P}, HTTP, True),
    ({"http_proxy": P, "no_proxy": "", "NO_PROXY": "*"}, HTTP, False),
    ({"http_proxy": P, "no_proxy": "x", "NO_PROXY": "*"}, HTTP, True),
    ({"http_proxy": f"http://u:p@{P}/path?query#fragment"}, HTTP, True),
)
EXEMPT = (
    # no_proxy, address, whether a proxy is used nevertheless
    ("a.invalid", HTTP, False),
    ("A.INVALID.", HTTP, False),
    ("a.invalid", "http://a.invalid.:82", False),
    ("invalid", HTTP, False),
    (".invalid", HTTP, False),
    ("nvalid", HTTP, True),
    ("b.a.invalid", HTTP, True),
    ("a.invalid:82", HTTP, True),
    ("a.invalid/8", HTTP, True),
    (".", HTTP, True),
    ("*", HTTP, False),
    ("*.invalid", HTTP, True),
    ("*,x", HTTP, True),
    (" a.invalid", HTTP, False),
    ("x a.invalid", HTTP, False),
    ("x,,a.invalid", HTTP, False),
    ("x;a.invalid", HTTP, True),
    ("127.9.9.9", "http://127.9.9.9:1", False),
    ("127.9.9.9:1", "http://127.9.9.9:1", True),
    ("127.0.0.0/8", "http://127.9.9.9:1", False),
    ("127.8.0.0/15", "http://127.9.9.9:1", False),
    ("127.9.9.8/31", "http://127.9.9.9:1", False),
    ("127.9.9.8/33", "http://127.9.9.9:1", True),
    ("127.9.9.9/32", "http://127.9.9.9:1", False),
    ("127.9.9.9/0", "http://127.9.9.9:1", False),
    ("0.0.0.0/0", "http://127.9.9.9:1", True),
    ("127.9.9.9/", "http://127.9.9.9:1", False),
    ("127.9.9.9/-1", "http://127.9.9.9:1", True),
    ("127.9.9.8/31x", "http://127.9.9.9:1", False),
    ("127.9.0.0/+16", "http://127.9.9.9:1", False),
    ("127.9.9", "http://127.9.9.9:1", True),
    ("9.9", "http://127.9.9.9:1", True),
)
CASES = (*NAMES, *(({"http_proxy": P, "no_proxy": text}, url, used) for text, url, used in EXEMPT))
SIX = (
    ("::1", False),
    ("::/64", False),
    ("0:0:0:0:0:0:0:1", False),
    ("::2/127", True),
    ("::1/129", True),
    ("127.0.0.1", True),
)


@pytest.mark.parametrize(("environ", "url", "used"), CASES)
def test_the_environment_decides_as_for_curl(
    environ: dict[str, str],
    url: str,
    used: bool,  # noqa: FBT001 - of the table
) -> None:
    """Which variable counts, and for which hosts none does, is as curl documents it."""
    chosen = choose_proxy(url, None, environ)
    assert (chosen is not None) is used
    if chosen is not None:
        assert chosen.address == f"http://{P}"
        assert environ[chosen.source]


@pytest.mark.parametrize(("no_proxy", "used"), SIX)
def test_networks_of_the_longer_addresses(no_proxy: str, used: bool) -> None:  # noqa: FBT001 - of the table
    """An IPv6 address is compared as one, with or without a network, as curl documents it."""
    environ = {"http_proxy": P, "no_proxy": no_proxy}
    assert (choose_proxy("http://[::1]:82", None, environ) is not None) is used


def curl_version() -> tuple[int, ...]:
    """Return the version of the curl command; none where there is no curl."""
    if shutil.which("curl") is None:
        return ()
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607 - whichever there is
    return tuple(map(int, re.findall(r"\d+", said.split()[1])[:2]))


@pytest.mark.skipif(curl_version() < (7, 86), reason="needs curl >= 7.86: apt install curl")
async def test_curl_itself_decides_so() -> None:
    """Every line of the tables is what the curl command does, too."""
    proxy = ProxyServer(refuses=b"HTTP/1.1 200 OK")
    async with listening(proxy.answer) as port:
        for environ, url, used in CASES:
            proxy.heads.clear()
            theirs = {name: text.replace(P, f"127.0.0.1:{port}") for name, text in environ.items()}
            curl = await asyncio.create_subprocess_exec(
                *("curl", "-s", "-m", "5", url),
                env={"PATH": os.environ["PATH"], **theirs},
                stdout=asyncio.subprocess.DEVNULL,
            )
            await curl.wait()
            assert bool(proxy.heads) is used, (environ, url)


@given(st.text(), st.text(), st.sampled_from([HTTP, HTTPS, "http://127.9.9.9", "http://[::1]"]))
def test_no_environment_is_too_odd(no_proxy: str, proxy: str, url: str) -> None:
    """Whatever the variables hold, there is a proxy, or none, or an error that does not show it."""
    environ = {"no_proxy": no_proxy, "all_proxy": proxy}
    wrong: UsageError | None = None
    try:
        choose_proxy(url, None, environ)
    except UsageError as error:
        wrong = error
    assert wrong is None or wrong.message.startswith("all_proxy: ")
    assert wrong is None or wrong.__context__ is None


@pytest.mark.parametrize(
    ("given_text", "address"),
    [
        ("proxy", "http://proxy:1080"),
        ("proxy:3128", "http://proxy:3128"),
        ("http://proxy:3128", "http://proxy:3128"),
        ("HTTP://proxy:3128/", "http://proxy:3128"),
        ("https://proxy", "https://proxy:443"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        (f"http://{USERINFO}proxy:3128/?x#y", "http://proxy:3128"),
        ("a:b@c:d@proxy:3128", "http://proxy:3128"),
    ],
)
def test_a_proxy_is_written_as_for_curl(given_text: str, address: str) -> None:
    """Scheme and port may be left out; what is secret is apart, decoded, and never shown."""
    proxy = parse_proxy(given_text, "http_proxy")
    assert proxy.address == address
    if USERINFO in given_text:
        assert (proxy.user, proxy.password) == SECRETS
    assert "pr0xy" not in repr(proxy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"socks5://{USERINFO}proxy", "a SOCKS proxy cannot be used: name an HTTP proxy"),
        (f"http://{USERINFO}proxy:99999", "the port of a proxy is between 1 and 65535"),
        (f"ftp://{USERINFO}proxy", "the address of a proxy is written like "),
        (f"http://{USERINFO}", "the address of a proxy is written like "),
        (f"http://{USERINFO}pro xy:80", "the address of a proxy is written like "),
        (f"http://{USERINFO}[::1", "the address of a proxy is written like "),
        (f"http://{USERINFO}{'a' * 64}:80", "the address of a proxy is written like "),
        (f"http://{USERINFO}a..b:80", "the address of a proxy is written like "),
        (" ", "the address of a proxy is written like "),
    ],
)
def test_what_is_no_proxy_is_refused_unseen(text: str, said: str) -> None:
    """A proxy that cannot be used is refused, in the settings and the environment, never shown."""
    with pytest.raises(UsageError) as wrong:
        choose_proxy(HTTP, None, {"http_proxy": text})
    assert wrong.value.message.startswith(f"http_proxy: {said}")
    assert wrong.value.remedy == (
        'Write proxy = "http://proxy.example.org:3128" under [api], or unset http_proxy.'
    )
    with pytest.raises(UsageError) as refused:
        load_settings(None, {"api": {"proxy": text}})
    assert said in refused.value.message
    for shown in (wrong.value.message, refused.value.message, repr(refused.value)):
        assert "pr0xy" not in shown
        assert "proxy%2B" not in shown
    assert not isinstance(refused.value.__context__, ValidationError)


@pytest.mark.parametrize(
    ("setting", "environ", "source"),
    [
        (f"http://{P}", {"http_proxy": "other:1"}, "api.proxy"),
        (f"http://{P}", {"no_proxy": "a.invalid"}, None),
        ("", {"http_proxy": P}, None),
        (None, {"http_proxy": P}, "http_proxy"),
    ],
    ids=["before", "exempt", "none", "unset"],
)
def test_the_setting_is_curls_option(
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    environ: Mapping[str, str],
    source: str | None,
) -> None:
    """The setting comes before the environment, as --proxy does; no_proxy counts before both."""
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    api: dict[str, Any] = {"base_url": HTTP, "proxy": setting}
    settings = load_settings(None, {"api": api})
    assert (settings.proxy and settings.proxy.source) == source


def test_the_settings_and_credentials_hide_it() -> None:
    """No form of showing settings or secrets shows a proxy's user or password; logs take it out."""
    settings = load_settings(
        None,
        {
            "api": {"proxy": f"http://{USERINFO}proxy:1", "user": USER, "password": PASSWORD},
            "programs": [{"name": "2024A000", "api_key": "a key"}],
        },
    )
    credentials = read_credentials(settings)
    assert isinstance(settings.proxy, Proxy)
    for shown in (repr(settings), str(settings), repr(credentials), repr(settings.proxy)):
        assert not [secret for secret in (*SECRETS, USERINFO) if secret in shown]
    redact = redactor(credentials)
    basic = "cHJveHkrdXNlcjpwcjB4eS93JnJk"
    for text in (f"http://{USERINFO}proxy:1", basic, *SECRETS):
        assert "[secret]" in redact(f"it said {text}")
        assert not [secret for secret in (*SECRETS, USERINFO, basic) if secret in redact(text)]


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def archive() -> Any:  # noqa: ANN401 - a generator of one
    """Yield an archive."""
    with served() as simulator:
        yield simulator


async def test_a_mirror_behind_a_proxy(archive: Simulator, tmp_path: Path) -> None:
    """With http_proxy everything is mirrored through the proxy; nothing said holds its password."""
    proxy = ProxyServer()
    settings = settings_file(tmp_path, api={"base_url": archive.url})
    async with listening(proxy.answer) as port:
        variables = {"http_proxy": f"http://{USERINFO}127.0.0.1:{port}"}
        checked, synced = [
            await asyncio.to_thread(
                run, "--config", settings, word, home=tmp_path, environment=variables
            )
            for word in ("check", "sync")
        ]
    assert checked.code == synced.code == ExitCode.DONE
    assert f"http://127.0.0.1:{port} is used, from http_proxy" in checked.out
    assert len(proxy.heads) == len(archive.requests)
    assert synced.out.startswith("10 downloaded, ")
    for said in (checked, synced):
        assert not leaked(said.out + said.err, *SECRETS, USERINFO)


@pytest.mark.slow
def test_a_demo_needs_no_proxy(tmp_path: Path, unused_tcp_port: int) -> None:
    """What runs on this machine alone is not sent through the environment's proxy."""
    variables = {"http_proxy": f"http://127.0.0.1:{unused_tcp_port}"}
    said = run("demo", home=tmp_path, environment=variables)
    assert said.code == ExitCode.DONE, said.err


async def test_a_check_behind_a_wrong_proxy(
    archive: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that cannot be used is a finding, after those of the disk, and hides none of them."""
    monkeypatch.setenv("http_proxy", f"socks5://{USERINFO}proxy:1080")
    settings = load_settings(settings_file(tmp_path, api={"base_url": archive.url}))
    findings = [finding async for finding in examine(settings)]
    found = [finding.what for finding in findings]
    assert found == ["settings", "disk", "file system", "mirror", "proxy"]
    assert findings[-1].code is ExitCode.USAGE
    assert findings[-1].message == (
        "http_proxy: a SOCKS proxy cannot be used: name an HTTP proxy [WS-SETTINGS-VALUE]"
    )
