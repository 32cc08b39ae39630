"""Measure downloads from a server that zips before its first byte, beside a notebook and the limit.

The server takes 0.5 s, then as long as 100 MB/s of content take, and then sends 40 MB/s on each
connection; the bytes cost whoever receives them next to nothing, so that the server is what is
waited for. The notebook asks for everything at once and unpacks it, as that of the observatory
does. The limit is what these numbers allow: everything in four equal requests at the same time.

    python -m benchmarks.zipping URL DIRECTORY TYPE PATHS   (the notebook)
"""

from __future__ import annotations

import http.client
import json
import shutil
import sys
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.archive import (
    KEY,
    PASSWORD,
    PROGRAM,
    USER,
    Archive,
    Products,
    light_fits_file,
    pack,
    serve,
)
from benchmarks.measuring import Cost, Goal, Measurement, Run, cost_of_command, winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT, ZIP_RATE, RATE = 0.5, 100e6, 40e6
CONNECTIONS = 4
COUNT, SIZE = 58, 20_700_000
LESSON = 12
"""Products that a mirror which knows the server has of it already."""
TIMES, SHARE = Goal(4.5, at_least=True), Goal(0.85, at_least=True)


def measure(run: Run) -> Iterator[Measurement]:
    """Measure both against the same server; ours where it is new to it, and where it is known."""
    count, size, times = run.choose((COUNT, SIZE, 3), (8, 1_000_000, 1))
    contents = [pack(run.directory / f"raw-{n}", light_fits_file(size, seed=n)) for n in range(3)]
    listed = Products(count, contents, "raw")
    with serve(
        run,
        listed,
        Products(LESSON, contents, "stack"),
        wait=WAIT,
        zip_rate=ZIP_RATE,
        rate=RATE,
    ) as archive:
        first, _ = _sync(run, archive, count, knows_server=False)
        ours = [_sync(run, archive, count, knows_server=True) for _ in range(times)]
        notebook = _notebook(run, archive, listed)
        run.log(f"notebook {notebook}")
    made = [contents[number % len(contents)] for number in range(count)]
    whole, packed = (sum(getattr(each, word) for each in made) for word in ("size", "packed_size"))
    limit = WAIT + (whole / ZIP_RATE + packed / RATE) / CONNECTIONS
    at_once = WAIT + whole / ZIP_RATE + packed / RATE
    how = (
        f"{count} files, {whole / 1e9:.2f} GB, {packed / 1e9:.2f} GB zipped; the notebook "
        f"{notebook.wall:.1f} s, of which the server {at_once:.1f} s"
    )
    walls = [cost.wall for cost, _ in ours]
    faster = tuple(notebook.wall / wall for wall in walls)
    yield Measurement("times as fast as the notebook", faster, "", TIMES, how)
    yield Measurement("the same at the limit", (notebook.wall / limit,), "")
    shares = tuple(limit / wall for wall in walls)
    told = f"the limit {limit:.1f} s; {ours[0][0].cpu:.1f} s of CPU"
    yield Measurement("share of the limit", shares, "", SHARE, told)
    yield Measurement("share of it, the first time ever", (limit / first.wall,), "", SHARE)
    yield Measurement("requests", tuple(float(requests) for _, requests in ours))


def _sync(run: Run, archive: Archive, count: int, *, knows_server: bool) -> tuple[Cost, int]:
    """Mirror everything; return what that cost, and in how many requests.

    A mirror knows the server from what it has downloaded before.
    """
    root, command = run.directory / "mirror", winter_sync("--log-level", "error", "sync")
    api = {"connections": CONNECTIONS}
    if knows_server:
        cost_of_command(command, archive.settings(root, "stack", api=api))
    before = len(archive.requests())
    cost = cost_of_command(command, archive.settings(root, "raw", api=api))
    asked = [each for each in archive.requests()[before:] if each["products"]]
    run.log(f"{cost}, requests of {[each['products'] for each in asked]} products")
    found = sum(1 for _ in (root / "winter").rglob("*_mef_4_0_0.fits"))
    assert found == count, f"{found} of {count} were downloaded"
    shutil.rmtree(root)
    return cost, len(asked)


def _notebook(run: Run, archive: Archive, listed: Products) -> Cost:
    paths, place = run.directory / "paths", run.directory / "notebook"
    paths.write_text(json.dumps([row["savepath"] for row in listed.rows()]))
    command = [sys.executable, "-m", "benchmarks.zipping", archive.url, str(place)]
    cost = cost_of_command([*command, listed.image_type, str(paths)])
    assert sum(1 for _ in place.rglob("*.fits")) == listed.count
    shutil.rmtree(place)
    return cost


def fetch_at_once(url: str, directory: Path, kind: str, paths: list[str]) -> None:
    """Fetch everything in one request and unpack it, as the notebook does."""
    directory.mkdir(parents=True)
    query = f"program_name={PROGRAM}&program_api_key={KEY}&image_type={kind}&instrument=winter"
    secret = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    body = json.dumps([{"path": path} for path in paths])
    connection.request("GET", f"/images/download_list?{query}", body, headers)
    with (directory / "images.zip").open("wb") as file:
        shutil.copyfileobj(connection.getresponse(), file, 1 << 20)
    with zipfile.ZipFile(directory / "images.zip") as archive:
        archive.extractall(directory)


if __name__ == "__main__":
    address, place, image_type, listed_in = sys.argv[1:]
    fetch_at_once(address, Path(place), image_type, json.loads(Path(listed_in).read_text()))
