"""Python's ssl: both versions, ciphers, ALPN, a session taken up again, an old version refused."""

import os
import socket
import ssl
from urllib.parse import urlsplit

PLACE = urlsplit(os.environ["SERVER_URL"])
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def context(version):
    made = ssl.create_default_context(cafile=os.environ["SERVER_CA"])
    made.minimum_version = made.maximum_version = version
    made.set_alpn_protocols(["h2", "http/1.1"])
    return made


def talk(tls, session=None):
    with socket.create_connection((PLACE.hostname, PLACE.port), timeout=30) as plain:
        with tls.wrap_socket(plain, server_hostname="localhost", session=session) as line:
            line.sendall(REQUEST)
            answer = b""
            while chunk := line.recv(4096):
                answer += chunk
            assert answer.startswith(b"HTTP/1.1 200 OK"), answer
            assert line.selected_alpn_protocol() == "http/1.1"
            return line.version(), line.session, line.session_reused, line.cipher()[0]


for version, name in [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")]:
    tls = context(version)
    spoken, session, reused, _ = talk(tls)
    assert (spoken, reused) == (name, False), (spoken, reused)
    assert talk(tls, session)[2], f"a session of {name} was not taken up again"

for key in ["ECDSA", "RSA"]:
    for cipher in ["AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305"]:
        only = context(ssl.TLSVersion.TLSv1_2)
        only.set_ciphers(f"ECDHE-{key}-{cipher}")
        assert talk(only)[3] == f"ECDHE-{key}-{cipher}"

old = context(ssl.TLSVersion.TLSv1_2)
old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
old.set_ciphers("ALL:@SECLEVEL=0")
try:
    talk(old)
except ssl.SSLError:
    print("ok")
