"""A SAMP hub, and tools connected to it, in a process of their own: astropy leaves sockets open.

`python samp_hub.py LOCKFILE TOOLS` with TOOLS as JSON, a list of `{"name", "types", "answer"}`.
Prints "ready", then a line of JSON for each message: tool, type, parameters, and whether the file
was there. Ends when standard input does.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

warnings.simplefilter("ignore")
from astropy import samp  # noqa: E402 - after its warning is silenced

samp.conf.use_internet = False
logging.disable()  # astropy's log goes to standard output


def tool(hub: Any, name: str, types: list[str], answer: dict[str, Any]) -> Any:  # noqa: ANN401 - astropy has no types
    """Connect a tool that prints what it is asked to load, and answers as it is told to."""
    client = samp.SAMPIntegratedClient(name, addr="127.0.0.1")
    client.connect(hub)

    def load(_key: str, _sender: str, number: str, mtype: str, given: Any, _extra: Any) -> None:  # noqa: ANN401 - astropy's
        there = Path(url2pathname(urlsplit(given["url"]).path)).is_file()
        print(json.dumps([name, mtype, given, there]), flush=True)  # noqa: T201 - its output
        # This hub drops an answer that comes before it has begun to wait for one.
        while number not in hub._sync_msg_ids_heap:
            time.sleep(0.001)
        client.reply(number, {"samp.result": {}, **answer})

    for mtype in types:
        client.bind_receive_call(mtype, load)
    return client


def main(lock: str, tools: str) -> None:
    """Run the hub."""
    hub = samp.SAMPHubServer(web_profile=False, lockfile=lock, addr="127.0.0.1")
    hub.start()
    clients = [tool(hub, **given) for given in json.loads(tools)]
    print("ready", flush=True)  # noqa: T201 - its output
    sys.stdin.read()
    for client in clients:
        client.disconnect()
    hub.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
