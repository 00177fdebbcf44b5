"""A server with the hardened example configuration, on loopback and one core."""

import datetime
import http.client
import ipaddress
import os
import pathlib
import resource
import ssl
import subprocess
import tempfile
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "server/packaging/hardened.toml"
SECRET = "an-old-oak-in-the-meadow-of-1849-and-under-it-shade"
KEYS = {"probe": "p" * 40, "flood": "f" * 40}


class CannotRun(Exception):
    """Why nothing can be attacked."""


def certificate(home):
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (home / "chain.pem").write_bytes(signed.public_bytes(pem))
    plain = serialization.NoEncryption()
    bare = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (home / "key.pem").write_bytes(bare)


def token(secret=SECRET):
    """A token that may read and publish."""
    claims = {"user_id": "u", "permissions": ["read", "publish"], "exp": time.time() + 3_600}
    return jwt.encode(claims, secret, "HS256")


class Server:
    """The process; ends with the `with` block."""

    def __init__(self, program, core, descriptors=None, flags=(), shards=1):
        self.home = tempfile.TemporaryDirectory()
        home = pathlib.Path(self.home.name)
        certificate(home)
        (home / "jwt").write_text(SECRET)
        keys = "".join(f"{name} {key}\n" for name, key in KEYS.items())
        (home / "api-keys").write_text(keys)
        config = CONFIG.read_text().replace("/etc/uringcast/", f"{home}/")
        (home / "hardened.toml").write_text(config)
        for secret in ["jwt", "api-keys", "key.pem"]:
            (home / secret).chmod(0o600)

        def prepare():
            if core is not None:
                os.sched_setaffinity(0, {core})
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.log = open(home / "log", "w+", encoding="utf-8")
        ports = ["--host=127.0.0.1", "--port=0", "--control-port=0", "--metrics-port=0"]
        command = [program, "--config", home / "hardened.toml", f"--shards={shards}"]
        command += [*ports, *flags]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            text=True, preexec_fn=prepare,
        )
        words = self.process.stdout.readline().split()
        if not words:
            self.process.wait()
            self.log.seek(0)
            raise CannotRun(f"the server did not start:\n{self.log.read()}")
        places = dict(zip(words[::2], words[1::2]))
        self.clients, self.control, self.metrics_port = (
            self.address(places[place]) for place in ["listening", "control", "metrics"]
        )
        self.authority = home / "chain.pem"
        self.context = self.tls_context()
        self.token = token()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.home.cleanup()

    @staticmethod
    def address(url):
        host, port = url.split("//")[1].rsplit(":", 1)
        return host, int(port)

    def tls_context(self, keys=None):
        context = ssl.create_default_context(cafile=self.authority)
        if keys:
            context.keylog_filename = keys
        return context

    def runs(self):
        return self.process.poll() is None

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as pages:
            return int(pages.read().split()[1]) * 4_096

    def ask(self, method, path, body=None, key="probe", timeout=5):
        """One request to the control port: status and body."""
        connection = http.client.HTTPConnection(*self.control, timeout=timeout)
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {KEYS[key]}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """The metrics page: a dictionary of series."""
        connection = http.client.HTTPConnection(*self.metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
        connection.close()
        lines = (line.rsplit(" ", 1) for line in page.splitlines() if line[:1] not in ("#", ""))
        return {series: float(value) for series, value in lines}

    def count(self, name, label=""):
        """The sum of a metric's series with such a label."""
        series = self.metrics().items()
        return sum(value for key, value in series
                   if key.split("{")[0] == name and label in key)
