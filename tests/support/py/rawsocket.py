"""rawsocket.py - a WebSocket by hand, for what a well-behaved client library doesn't do: frames that
are wrong, a client that doesn't answer pings, one that stops reading.
"""

import base64
import json
import os
import socket
import struct
import time
import urllib.parse

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def upgrade(parley, query="", headers=None, protocol=None, path="/v1/ws", receive_buffer=None):
    """(status, headers, body, socket) of one handshake."""
    at = urllib.parse.urlparse(parley.url)
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(10)
    s.connect((at.hostname, at.port))
    lines = [
        f"GET {path}{query} HTTP/1.1",
        f"Host: {at.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
    ]
    if protocol:
        lines.append("Sec-WebSocket-Protocol: " + protocol)
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = s.recv(1)
        if not byte:
            break
        head += byte
    first, *rest = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1]) if first.startswith("HTTP/") else 0
    found = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest if line)}
    body = b""
    while status != 101 and len(body) < int(found.get("content-length", "0")):
        body += s.recv(65536) or b"\0" * 65536
    return status, found, body, s


class RawSocket:
    """One socket that does nothing by itself: no pong, no close, no reading."""

    def __init__(self, parley, user=None, query="", headers=None, protocol=None, receive_buffer=None, token=None):
        headers = dict(headers or {})
        if user or token:
            headers["Authorization"] = f"Bearer {token or parley.token(user)}"
        self.status, self.headers, self.body, self.s = upgrade(
            parley, query, headers, protocol, receive_buffer=receive_buffer
        )
        self.things, self.frames = [], []
        self.close_code = self.close_reason = None

    def send(self, payload, opcode=TEXT, fin=True, mask=True, rsv=0):
        payload = payload.encode() if isinstance(payload, str) else payload
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        bit = 0x80 if mask else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        elif len(payload) < 65536:
            head += struct.pack(">BH", bit | 126, len(payload))
        else:
            head += struct.pack(">BQ", bit | 127, len(payload))
        if mask:  # by zeros: it is the bit that counts
            head += b"\0\0\0\0"
        self.s.sendall(head + payload)

    def ask(self, *requests):
        """Sends the objects in one frame."""
        self.send("\n".join(r if isinstance(r, str) else json.dumps(r) for r in requests))

    def _exactly(self, n):
        out = b""
        while len(out) < n:
            part = self.s.recv(n - len(out))
            if not part:
                raise EOFError
            out += part
        return out

    def frame(self, seconds=10):
        """(opcode, payload) of the next frame; (None, b"") when none comes or the end did."""
        self.s.settimeout(seconds)
        try:
            head = self._exactly(2)
            n = head[1] & 127
            if n > 125:
                n = int.from_bytes(self._exactly(2 if n == 126 else 8), "big")
            payload = self._exactly(n)
        except (EOFError, OSError):
            return None, b""
        opcode = head[0] & 15
        if opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.close_reason = payload[2:].decode()
        elif opcode == TEXT:
            self.frames.append(payload)
            self.things += [json.loads(line) for line in payload.decode().split("\n")]
        return opcode, payload

    def read_until(self, what, seconds=10):
        """Reads frames until what(self) is true; gives its last answer."""
        end = time.monotonic() + seconds
        while not what(self) and time.monotonic() < end:
            opcode, _ = self.frame(max(0.05, end - time.monotonic()))
            if opcode is None and (self.close_code or time.monotonic() < end):
                break
        return what(self)

    def wait_close(self, seconds=10):
        """The code it is closed with; 1006 for an end without one, None while it is open."""
        end = time.monotonic() + seconds
        while self.close_code is None and time.monotonic() < end:
            opcode, _ = self.frame(max(0.05, end - time.monotonic()))
            if opcode is None:
                return self.close_code or (1006 if time.monotonic() < end else None)
        return self.close_code

    def answers(self, request_id):
        return [t for t in self.things if t.get("id") == request_id and "id" in t]

    def errors(self):
        return [t["error"] for t in self.things if t["type"] == "error"]

    def end(self):
        self.s.close()
