"""The server's side of SCRAM-SHA-512 (RFC 5802), for one log-in."""

from __future__ import annotations

import base64
import hashlib
import hmac

__all__ = ["ScramServer"]

SALT = b"a grain of salt"
ITERATIONS = 4096


class ScramServer:
    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._salted = hashlib.pbkdf2_hmac("sha512", password.encode(), SALT, ITERATIONS)
        self._exchanged = ""
        self.has_let_in = False

    def step(self, token: bytes) -> bytes | None:
        """The answer to the client's token; None if it does not know the password."""
        text = token.decode()
        if not self._exchanged:
            bare = text.removeprefix("n,,")
            fields = dict(field.split("=", 1) for field in bare.split(","))
            if fields["n"] != self._username:
                return None
            salt = base64.b64encode(SALT).decode()
            first = f"r={fields['r']}and-mine,s={salt},i={ITERATIONS}"
            self._exchanged = f"{bare},{first}"
            return first.encode()
        without_proof, _, proof = text.partition(",p=")
        message = f"{self._exchanged},{without_proof}".encode()
        client_key = self._hmac(self._salted, b"Client Key")
        signature = self._hmac(hashlib.sha512(client_key).digest(), message)
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        if base64.b64decode(proof) != expected:
            return None
        self.has_let_in = True
        server_key = self._hmac(self._salted, b"Server Key")
        return b"v=" + base64.b64encode(self._hmac(server_key, message))

    @staticmethod
    def _hmac(key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha512).digest()
