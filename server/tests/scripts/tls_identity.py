"""Python's ssl with client certificates: the good one gets in, all others are refused, and why."""

import os
import socket
import ssl
from urllib.parse import urlsplit

PLACE = urlsplit(os.environ["SERVER_URL"])
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
JUDGED = {
    "good": "",
    "missing": "CERTIFICATE_REQUIRED",
    "revoked": "CERTIFICATE_REVOKED",
    "expired": "CERTIFICATE_EXPIRED",
    "stranger": "DECRYPT_ERROR|UNKNOWN_CA|BAD_CERTIFICATE",
}


def talk(who):
    tls = ssl.create_default_context(cafile=os.environ["SERVER_CA"])
    if who != "missing":
        identity = os.path.join(os.environ["IDENTITIES"], who)
        tls.load_cert_chain(identity + ".pem", identity + ".key")
    try:
        with socket.create_connection((PLACE.hostname, PLACE.port), timeout=30) as plain:
            with tls.wrap_socket(plain, server_hostname="localhost") as line:
                line.sendall(REQUEST)
                return line.recv(4096).decode()
    except ssl.SSLError as error:
        return error.reason


for who, why in JUDGED.items():
    said = talk(who)
    assert said.startswith("HTTP/1.1 200 OK") == (not why), (who, said)
    assert any(word in said for word in why.split("|")), (who, said)
print("ok")
