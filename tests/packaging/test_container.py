"""The container's files keep their promises, as far as can be seen without building it.

`scripts/container` builds and tries it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import typer.main
import yaml
from support.command import CHECKOUT, nobody

import winter_sync
from winter_sync.cli.app import app
from winter_sync.config.files import FILE
from winter_sync.config.readiness import read_credentials
from winter_sync.config.sections import EXAMPLE, DaemonSettings, HttpSettings
from winter_sync.config.settings import load_settings
from winter_sync.core.units import parse_duration
from winter_sync.tree.known_roots import known_roots_path

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = (
    "Dockerfile",
    ".dockerignore",
    "compose.yaml",
    "scripts/container",
    "tools/container_trial.py",
    "tools/healthy.py",
    "tools/trial.py",
)
HEALTHY = CHECKOUT / "tools/healthy.py"
Yaml = dict[str, Any]
LABELS = ("title", "description", "licenses", "version")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A line of a Dockerfile, with its continuations."""

    word: str
    rest: str

    @property
    def argv(self) -> list[str]:
        """The command, if it is in exec form: as a list, without a shell between."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def stages() -> list[list[Instruction]]:
    """Read the Dockerfile: what is before the first FROM, then each stage."""
    text = re.sub(r"^#.*\n", "", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).split("\n")
    found: list[list[Instruction]] = [[]]
    for word, _, rest in (line.partition(" ") for line in lines if line):
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest))
    return found


def only(word: str) -> Instruction:
    """Return the one instruction with this word in the final stage."""
    (found,) = (instruction for instruction in stages()[-1] if instruction.word == word)
    return found


def environment() -> dict[str, str]:
    """Return what the final stage sets in the environment."""
    return dict(pair.split("=", 1) for pair in only("ENV").rest.split())


@pytest.fixture(scope="module")
def compose() -> Yaml:
    """Return compose.yaml as it is read without anything in the environment."""
    text = (CHECKOUT / "compose.yaml").read_text()
    found: Yaml = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return found


@pytest.fixture
def service(compose: Yaml) -> Yaml:
    """Return the one service."""
    found: Yaml
    (found,) = compose["services"].values()
    return found


@pytest.mark.parametrize("name", FILES)
def test_no_address_is_written_down(name: str) -> None:
    """Where packages and base images come from is the business of who builds."""
    text = (CHECKOUT / name).read_text().replace('"://"', "")
    assert not re.search(r"\w+://\w|\b[\w-]+\.(?:io|org|com|net|dev)\b", _without_labels(text))


def _without_labels(text: str) -> str:
    return re.sub(r"org\.opencontainers\.image\.\w+", "", text)


def test_the_base_is_pinned_and_the_same_for_both_stages() -> None:
    """The default base names its Python and its Debian; a virtual environment fits no other."""
    before, *both = stages()
    (base,) = (instruction.rest for instruction in before if instruction.rest.startswith("BASE="))
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-[a-z]+", base)
    assert [stage[0].rest for stage in both] == ["${BASE} AS builder", "${BASE}"]


def test_packages_are_installed_as_locked() -> None:
    """Every package is one of the locks, by its hash; ours comes without any.

    What the builder itself needs of Debian, a tool for stripping, does not come into the image.
    """
    runs = [
        instruction.rest for stage in stages() for instruction in stage if instruction.word == "RUN"
    ]
    installs = [run.split("pip install")[1].split("&&")[0] for run in runs if "pip install" in run]
    assert ["--require-hashes" in command or "--no-index" in command for command in installs] == [
        True,
        True,
    ]
    assert re.findall(r"apt-get install (?:-\S+ )*(\w+)", " ".join(runs)) == ["binutils"]
    final = [instruction.rest for instruction in stages()[-1] if instruction.word == "RUN"]
    assert not any(re.search(r"\bapt", run) for run in final)


def test_it_starts_the_daemon_without_a_shell() -> None:
    """The command is process 1 itself, so that it gets the signals."""
    (entry,) = only("ENTRYPOINT").argv
    (command,) = only("CMD").argv
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert entry in project["scripts"]
    assert command in typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group
    assert only("STOPSIGNAL").rest == "SIGTERM"


def test_it_runs_as_nobody_in_particular() -> None:
    """The user is a number that is not root's, and stands below all that only root can do."""
    final = stages()[-1]
    defaults = dict(
        instruction.rest.split("=") for instruction in final if instruction.word == "ARG"
    )
    assert only("USER").rest == "${UID}:${GID}"
    assert int(defaults["UID"]) >= 1000
    assert int(defaults["GID"]) >= 1000
    words = [instruction.word for instruction in final]
    assert {"RUN", "COPY", "WORKDIR"}.isdisjoint(words[words.index("USER") :])


def test_it_says_what_it_is() -> None:
    """Its labels are those of the project, with the version it has unless another is given."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    pairs = re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', only("LABEL").rest)
    labels = dict(pairs)
    assert tuple(labels) == LABELS
    assert labels["title"] == project["name"]
    assert labels["description"] == project["description"]
    assert labels["licenses"] == project["license"]
    assert labels["version"] == "${VERSION}"
    assert Instruction("ARG", f"VERSION={winter_sync.__version__}") in stages()[-1]


def test_everything_it_writes_is_on_the_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree, temporary files and the memory of the root are on it, the last outside the root."""
    for name, text in environment().items():
        if name.startswith("WINTER_SYNC_"):
            monkeypatch.setenv(name, text)
    volume = Path(only("VOLUME").rest)
    settings, memory = load_settings(), known_roots_path(environment())
    assert settings.root.parent == volume
    assert settings.state.is_relative_to(volume)
    assert memory.is_relative_to(volume)
    assert not memory.is_relative_to(settings.root)
    assert Path(environment()["TMPDIR"]) == volume == Path(only("WORKDIR").rest)
    assert settings.http.listen == HttpSettings().listen


def test_only_what_is_copied_goes_to_the_builder() -> None:
    """The builder gets the files that the Dockerfile copies, and nothing else: no secret."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    nothing, *rules = [line for line in lines if line and not line.startswith("#")]
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for stage in stages()
        for instruction in stage
        if instruction.word == "COPY" and not instruction.rest.startswith("--from")
        for source in instruction.rest.split()[:-1]
        if not source.startswith("--")
    }
    assert nothing == "*"
    assert let_in == copied
    assert all((CHECKOUT / name).exists() for name in let_in)
    assert rules[len(let_in) :] == ["**/__pycache__", "**/*.pyc"]


def test_secrets_are_found_under_the_names_of_compose(
    compose: Yaml, service: Yaml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the example's settings, every secret is one that compose.yaml gives, and no more."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name in service["secrets"]:
        (tmp_path / name).write_text(f"content of {name}")
    known = read_credentials(load_settings(CHECKOUT / EXAMPLE))
    found = {known.user, known.password, *known.keys.values()}
    assert found == {f"content of {name}" for name in service["secrets"]}
    assert set(service["secrets"]) == set(compose["secrets"])
    assert all(Path(secret["file"]).name == name for name, secret in compose["secrets"].items())


def test_the_service_may_do_nothing_but_write_to_its_volume(service: Yaml) -> None:
    """Read-only, without privileges, as nobody, and with an end to memory and logs."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert int(service["user"].split(":")[0]) > 0
    assert service["mem_limit"]
    assert service["ulimits"]["core"] == 0
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


def test_the_service_keeps_the_mirror_and_reads_the_settings(compose: Yaml, service: Yaml) -> None:
    """The image's volume is a named one, and the settings are where they are looked for."""
    data, settings = service["volumes"]
    assert data.split(":") == [*compose["volumes"], only("VOLUME").rest]
    assert Path(settings["target"]) == Path("/etc", FILE).parent
    assert settings["read_only"] is True
    assert settings["bind"]["create_host_path"] is False


def test_only_this_machine_reaches_the_service(service: Yaml) -> None:
    """Its port is published on the loopback address, and is the one it listens on."""
    (port,) = service["ports"]
    host, outside, inside = port.split(":")
    assert host == "127.0.0.1"
    assert service["environment"]["WINTER_SYNC_HTTP__LISTEN"] == f"0.0.0.0:{inside}"
    assert HttpSettings().listen == f"{host}:{outside}"


def test_other_containers_may_ask_by_its_name(
    compose: Yaml, service: Yaml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that the service has in its network is one that the pages are served under."""
    monkeypatch.setenv("WINTER_SYNC_HTTP__HOSTS", service["environment"]["WINTER_SYNC_HTTP__HOSTS"])
    assert load_settings(CHECKOUT / EXAMPLE).http.hosts == tuple(compose["services"])


def test_the_service_is_ended_later_than_its_downloads(service: Yaml) -> None:
    """An engine waits longer for the end than the daemon lets downloads go on."""
    assert parse_duration(service["stop_grace_period"]) > DaemonSettings().grace
    assert service["restart"] == "unless-stopped"


def test_both_ask_for_health_in_the_same_way(service: Yaml) -> None:
    """The health check is the copied script, in exec form, in the image and in the service."""
    argv = only("HEALTHCHECK").argv
    assert service["healthcheck"]["test"] == ["CMD", *argv]
    copied = f"--chmod=755 tools/{HEALTHY.name} /opt/winter-sync/bin/{argv[0]}"
    assert Instruction("COPY", copied) in stages()[-1]
    shown = dict(re.findall(r"--(\w+)-?(?:period)?=(\w+)", only("HEALTHCHECK").rest))
    described = {
        name.removesuffix("_period"): str(value) for name, value in service["healthcheck"].items()
    }
    assert {**described, "test": ""} == {**shown, "test": ""}


class Answering(BaseHTTPRequestHandler):
    """Answers every question with the status that its server was given."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer, and note what was asked."""
        self.asked.append(self.path)
        self.send_response(self.server.status)  # type: ignore[attr-defined] # set below
        self.end_headers()
        self.wfile.write(b"so it is")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Run a server on a free port of the loopback address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ask(listen: str) -> subprocess.CompletedProcess[str]:
    """Run the health check with no module but Python's own, and a proxy that is none."""
    known = {"WINTER_SYNC_HTTP__LISTEN": listen, "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-I", "-S", str(HEALTHY)]
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False)  # noqa: S603 - ours


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - as in the container
def test_the_health_check_says_what_the_daemon_says(
    server: ThreadingHTTPServer, host: str, status: int, code: int
) -> None:
    """It exits with 0 when the daemon is well and with 1 when it is not, wherever it listens."""
    server.status = status  # type: ignore[attr-defined] # for Answering
    Answering.asked.clear()
    said = ask(f"{host}:{server.server_port}")
    assert (said.returncode, said.stdout, said.stderr) == (code, "so it is\n", "")
    assert Answering.asked == ["/healthz"]


def test_a_daemon_that_does_not_answer_is_not_healthy() -> None:
    """Where nobody answers the check says so and exits with 1."""
    with nobody() as address:
        said = ask(address.removeprefix("http://"))
    assert said.returncode == 1
    assert "does not answer" in said.stdout
    assert not said.stderr
