"""What the Python clients share: where the server is, how to publish, how to fail."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from urllib.parse import urlencode

URL = os.environ["SERVER_URL"]
CONTROL = os.environ["SERVER_CONTROL"]
CA_FILE = os.environ.get("SERVER_CA")
TIMEOUT = 30  # seconds: a script that hangs fails


def tls():
    """The client's TLS context, None for ws."""
    return ssl.create_default_context(cafile=CA_FILE) if CA_FILE else None


def publish(channel, event, data):
    """Publishes over HTTP as a service would, with curl; returns the message's seq."""
    body = {"channel": channel, "event": event, "data": data}
    return _curl("/v1/publish", json.dumps(body))


def publish_keyed(channel, data, key):
    """The same for a message that is the newest state of something."""
    body = {"channel": channel, "event": "e", "data": data, "key": key}
    return _curl("/v1/publish", json.dumps(body))


def publish_raw(channel, event, data):
    """The same through the endpoint that takes the bare data object."""
    return _curl("/v1/publish/raw?" + urlencode({"channel": channel, "event": event}), data)


def _curl(path, body):
    command = ["curl", "-sS", "--fail-with-body", "--max-time", "10", "--data-binary", "@-"]
    command += ["-H", "content-type: application/json", "-w", "\n%{http_code}", CONTROL + path]
    done = subprocess.run(command, input=body, text=True, capture_output=True)
    answer, _, status = done.stdout.rpartition("\n")
    equal("publish status", status, "202")
    return json.loads(answer)["results"][0]["seq"]


def equal(what, actual, expected):
    """Fails naming both sides."""
    if actual != expected:
        raise AssertionError(f"{what}: got {actual!r}, expected {expected!r}")


def run(main):
    """Runs a script's coroutine within TIMEOUT."""
    try:
        asyncio.run(asyncio.wait_for(main(), TIMEOUT))
    except TimeoutError as error:
        raise SystemExit(f"{sys.argv[0]}: not done after {TIMEOUT} s") from error
    print("ok")
