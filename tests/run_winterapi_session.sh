#!/bin/sh
# Runs a session of the released winterapi client against a simulator, and the cells of the
# client's notebooks against `winter-sync simulate` without options; then `winter-sync list` must
# find what the client found. `winter-sync init --from-winterapi` must read what the client keeps.
#
#   PYTHON          the project's python  (default: <checkout>/.venv/bin/python)
#   WINTERAPI_VENV  the client's own environment, made when it is not there
#                   (default: <checkout>/.venv-winterapi)
set -eu

tests=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$tests")
python=${PYTHON:-$checkout/.venv/bin/python}
venv=${WINTERAPI_VENV:-$checkout/.venv-winterapi}
requirements=$tests/winterapi-requirements.txt

# The client's local mode knows this port only.
if ! "$python" -c 'import socket; socket.create_server(("127.0.0.1", 7000)).close()' 2>/dev/null
then
    echo "port 7000 of 127.0.0.1 is in use: free it, the client's local mode knows no other" >&2
    exit 2
fi

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --no-deps --require-hashes -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi

log=$(mktemp)
simulator=
stop() {
    if [ -n "$simulator" ]; then
        kill "$simulator" 2>/dev/null || true
        wait "$simulator" 2>/dev/null || true
        simulator=
    fi
}
trap 'stop; rm -f "$log" "$log.json"' EXIT

# Waits until the simulator that was just started listens.
await() {
    waited=0
    until grep -q '^listening on ' "$log"; do
        if ! kill -0 "$simulator" 2>/dev/null || [ "$waited" -ge 150 ]; then
            echo "the simulator did not start:" >&2
            cat "$log" >&2
            exit 2
        fi
        waited=$((waited + 1))
        sleep 0.2
    done
}

# The client's environment has none of our libraries: whom the simulator knows is passed on.
OBSERVATORY_ACCOUNTS=$(PYTHONPATH=$checkout "$python" -c '
import json, sys
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, key_of
keys = {name: key_of(name) for name in sys.argv[1:]}
print(json.dumps({"user": DEFAULT_USER, "password": DEFAULT_PASSWORD, "keys": keys}))
' 2024A000 2025B001)
export OBSERVATORY_ACCOUNTS

PYTHONPATH=$checkout "$python" -u -c '
from winter_sync.simulator import SimulatorOptions, serve, settled
from winter_sync.simulator.observatory.universe import DEFAULT_NIGHTS
start = settled(DEFAULT_NIGHTS)
serve(SimulatorOptions(port=7000, nights=DEFAULT_NIGHTS, start=start, rate=0.0), print)
' >"$log" 2>&1 &
simulator=$!
await
MIRROR_PYTHON=$python MIRROR_PYTHONPATH=$checkout "$venv/bin/python" "$tests/winterapi_session.py"
stop

# As a user starts it; the credentials are those that it prints, and not what the last one left.
: >"$log"
PYTHONPATH=$checkout "$python" -u -m winter_sync simulate >"$log" 2>&1 &
simulator=$!
await
until grep -q '^nights ' "$log"; do sleep 0.1; done
OBSERVATORY_ACCOUNTS=$("$python" -c '
import json, sys
lines = [line.split() for line in open(sys.argv[1]) if line != "\n"]
(user, password), = ((line[1], line[3]) for line in lines if line[0] == "user")
keys = {line[1]: line[3] for line in lines if line[0] == "program"}
print(json.dumps({"user": user, "password": password, "keys": keys}))
' "$log")
ANSWERS=$log.json "$venv/bin/python" "$tests/winterapi_notebooks.py"
OBSERVATORY_ACCOUNTS=$OBSERVATORY_ACCOUNTS PYTHONPATH=$checkout "$python" \
    "$tests/winterapi_comparison.py" "$log.json"
