"""Teaches schemathesis the media type of streams: a list is one message a line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    items = value if isinstance(value, list) else [value]
    return "".join(json.dumps(item) + "\n" for item in items).encode()


@schemathesis.hook
def filter_headers(_context, headers):
    """HTTP takes blanks around a value away: such a one is not what the server gets to see."""
    return all(value == value.strip() for value in (headers or {}).values())
