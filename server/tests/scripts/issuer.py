"""An issuer of tokens: PyJWT with keys of every kind. `issuer.py DIR` makes the keys.

In DIR: NAME.pem of each private key, NAME.pub.pem of its public one, and two JWK Sets: first.json
with the public keys of FIRST, next.json with NEXT's, each key's `kid` being its name.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

# Name of a key: what it signs with.
FIRST = {
    "hs": ["HS256", "HS384", "HS512"],
    "rsa": ["RS256", "PS256"],
    "ec": ["ES256"],
    "ed": ["EdDSA"],
}
# A new one, and one of before that stays.
NEXT = {"rsa-2": ["RS256", "PS256"], "ed": ["EdDSA"]}
SECRET = "an old oak in the meadow of 1849, and under it sixty-four bytes of shade"


def _generate(name):
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAAlgorithm
    if name.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1()), ECAlgorithm
    return ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm


def make(directory):
    """Makes the keys."""
    text, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    private, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    jwks = {"hs": HMACAlgorithm.to_jwk(SECRET.encode(), as_dict=True)}
    for name in [*FIRST, *NEXT, "rsa-stolen"]:
        if name not in jwks:
            key, kind = _generate(name)
            (directory / f"{name}.pem").write_bytes(key.private_bytes(text, private, no))
            pem = key.public_key().public_bytes(text, public)
            (directory / f"{name}.pub.pem").write_bytes(pem)
            jwks[name] = kind.to_jwk(key.public_key(), as_dict=True)
    for file, names in {"first.json": FIRST, "next.json": NEXT}.items():
        keys = [{**jwks[name], "kid": name, "use": "sig"} for name in names]
        (directory / file).write_text(json.dumps({"keys": keys}))


class Issuer:
    """Signs with the keys of a directory."""

    def __init__(self, directory):
        self.directory = Path(directory)

    def sign(self, name, algorithm, kid=None, seconds=60):
        """A token signed by the key of this name; its kid may be another's."""
        key = SECRET if name == "hs" else (self.directory / f"{name}.pem").read_text()
        claims = {"user_id": name, "permissions": [], "exp": int(time.time()) + seconds}
        headers = {"kid": kid} if kid else None
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)

    def unsigned(self):
        """A token of the algorithm `none`."""
        claims = {"user_id": "nobody", "exp": int(time.time()) + 60}
        return jwt.encode(claims, None, algorithm="none")

    def confused(self, name):
        """A token whose shared secret is the text of a public key, which is no secret."""
        head = {"alg": "HS256", "typ": "JWT", "kid": name}
        claims = {"user_id": "mallory", "exp": int(time.time()) + 60}
        parts = [_b64(json.dumps(part).encode()) for part in (head, claims)]
        secret = (self.directory / f"{name}.pub.pem").read_bytes()
        mac = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _b64(mac)])


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
    print("ok")
