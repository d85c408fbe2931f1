"""Broken requests and frames by the thousand, from one seed: whatever comes, the server goes on, and
under the sanitizers says nothing. Arguments: the program, and a seed and a count if not the usual."""

import os
import random
import socket
import sys

from wire import Echo, Raw, Socket, handshake

PROGRAM = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20261124
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 3000

REQUESTS = [
    b"GET /echo?a=b&c=%20d HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{ello",
    b"POST /late?ms=5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70\r\n\r\n" + b"{" * 70,
    b"PUT /late?ms=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n{bc",
    b"Host: x\r\npAtCh /echo HTTP/1.1\r\nContent-Length: 4\r\n\r\n{bcd",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n",
    b"DELETE /echo HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    b"HEAD /big?bytes=100 HTTP/1.0\r\n\r\n",
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: teapot\r\nConnection: Upgrade\r\n\r\n",
    handshake(),
    handshake(b"/v1/ws?refuse=403"),
    handshake(b"/v1/ws?close=1008"),
    handshake(
        b"/v1/ws",
        b"Sec-WebSocket-Protocol: parley.v1, other",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ),
]
FRAMES = [
    Socket.encode(1, b"hello"),
    Socket.encode(1, b"x" * 3000),
    Socket.encode(9, b"ping"),
    Socket.encode(1, b"one", fin=False),
    Socket.encode(0, b"two"),
    Socket.encode(10, b""),
    Socket.encode(8, b"\x03\xe8bye"),
    Socket.encode(1, b"/close 4000"),
    Socket.encode(1, b"/flood 20 5000"),
    Socket.encode(2, b"\0\1\2"),
]
WORDS = [
    b"\r\n",
    b"\n",
    b"\0",
    b": ",
    b"chunked",
    b"Transfer-Encoding: chunked\r\n",
    b"%00",
    b"%",
    b"Content-Length: 1\r\n",
    b"HTTP/1.1",
    b"/../",
    b"?",
    b"&;",
    b"Upgrade: websocket\r\n",
    b"\xff",
    b"-1",
    b"99999999999999999999",
    b"Host: y\r\n",
    b" ",
    b"Connection: close\r\n",
]


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.choice(WORDS)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = data[max(0, at - rng.randrange(1, 60)) : at]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 30)))
    return bytes(data)


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}, {COUNT} connections")
    echo = Echo(PROGRAM, "--header-ms", 500, "--body-ms", 500, "--idle-ms", 500)
    held = []
    for number in range(COUNT):
        is_good_start = rng.random() < 0.4
        parts = [handshake() if is_good_start else mutate(rng, rng.choice(REQUESTS))]
        for _ in range(rng.randrange(5)):
            parts.append(mutate(rng, rng.choice(FRAMES if is_good_start or rng.random() < 0.3 else REQUESTS)))
        raw = Raw(echo.port)
        raw.socket.setblocking(False)
        try:
            for part in parts if rng.random() < 0.5 else [b"".join(parts)]:
                raw.socket.send(part)
                if rng.random() < 0.2:
                    raw.socket.recv(4096)
        except (BlockingIOError, ConnectionError):
            pass
        if rng.random() < 0.3:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        held.append(raw)
        if len(held) > rng.randrange(1, 200):
            held.pop(rng.randrange(len(held))).close()
        if number % 100 == 0:
            link = Socket(echo.port)  # whoever behaves is served all along
            link.text("still here")
            assert link.read() == (1, b"still here"), number
            link.close()
    for raw in held:
        raw.close()
    status = echo.close()
    assert status == 0, f"parley-echo ended with {status}"
    print("1 passed, 0 failed")


os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=86")
main()
