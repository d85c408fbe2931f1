"""wire.py - raw sockets for tests: HTTP and WebSocket bytes as they are, nothing helped along.

Every read has a time limit; a test that waits for what does not come fails with Slow.
"""

import os
import socket
import ssl
import struct
import subprocess
import time


class Slow(Exception):
    pass


class Echo:
    """A parley-echo of its own, ended (and its end checked) by close()."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen([program, *map(str, options)], stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{program} did not start: exit {self.process.wait()}")
        self.port = int(line)

    def stats(self):
        raw = Raw(self.port)
        answer = raw.ask(b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.close()
        return {k: int(v) for k, v in (line.split() for line in answer.body.decode().splitlines())}

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self):
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(timeout=20)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Raw:
    """One connection."""

    def __init__(self, port, tls=None, timeout=5.0, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        """Reads some bytes into rest; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except (socket.timeout, TimeoutError):
            raise Slow(f"nothing more after {self.rest[:200]!r}") from None
        except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
            data = b""
        self.rest += data
        return bool(data)

    def until(self, mark):
        while mark not in self.rest:
            if not self.more():
                raise EOFError(f"closed after {self.rest[:200]!r}")
        head, self.rest = self.rest.split(mark, 1)
        return head

    def take(self, count):
        while len(self.rest) < count:
            if not self.more():
                raise EOFError(f"closed after {self.rest[:200]!r}")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def answer(self, is_head=False):
        lines = self.until(b"\r\n\r\n").split(b"\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            name, value = line.split(b":", 1)
            headers[name.decode().lower()] = value.strip().decode()
        length = 0 if is_head or status in (100, 101, 204, 304) else int(headers.get("content-length", 0))
        return Answer(status, headers, self.take(length))

    def ask(self, data, is_head=False):
        self.send(data)
        return self.answer(is_head)

    def ends(self):
        """Reads to the end of the connection; what came before it."""
        while self.more():
            pass
        return self.rest

    def close(self):
        self.socket.close()


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def handshake(path=b"/v1/ws", *lines):
    return b"\r\n".join(
        [
            b"GET " + path + b" HTTP/1.1",
            b"Host: localhost",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Key: " + KEY,
            b"Sec-WebSocket-Version: 13",
            *lines,
            b"",
            b"",
        ]
    )


class Socket(Raw):
    """An open WebSocket."""

    def __init__(self, port, path=b"/v1/ws", lines=(), **more):
        super().__init__(port, **more)
        self.upgrade = self.ask(handshake(path, *lines))
        if self.upgrade.status != 101:
            raise RuntimeError(f"upgrade answered with {self.upgrade.status}")

    @staticmethod
    def encode(opcode, payload, fin=True, is_masked=True, mask=b"\x01\x02\x03\x04", rsv=0):
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        bit = 0x80 if is_masked else 0
        if len(payload) < 126:
            head = struct.pack("!BB", first, bit | len(payload))
        elif len(payload) < 65536:
            head = struct.pack("!BBH", first, bit | 126, len(payload))
        else:
            head = struct.pack("!BBQ", first, bit | 127, len(payload))
        if not is_masked:
            return head + payload
        body = bytes(b ^ mask[i & 3] for i, b in enumerate(payload))
        return head + mask + body

    def frame(self, opcode, payload=b"", **more):
        self.send(self.encode(opcode, payload, **more))

    def text(self, text):
        self.frame(1, text.encode() if isinstance(text, str) else text)

    def read(self):
        """One frame: (opcode, payload). A server's frames are whole and unmasked."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
        assert first & 0x80 and not second & 0x80, "fragmented or masked"
        return first & 0x0F, self.take(length)

    def closed_with(self):
        """Answers pings, skips messages, and gives (code, reason) of the close frame."""
        while True:
            opcode, payload = self.read()
            if opcode == 9:
                self.frame(10, payload)
            if opcode == 8:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None
                return code, payload[2:].decode()


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Slow("condition not met")
        time.sleep(0.01)
