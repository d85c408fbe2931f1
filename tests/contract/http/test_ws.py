"""The WebSocket side of adapters/lws, by raw frames: messages, limits, close codes, heartbeats,
back-pressure, draining, TLS. The fine print of RFC 6455 is tests/conformance's. Argument: the
program."""

import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

from wire import Echo, Raw, Socket, handshake, wait_for

PROGRAM = sys.argv.pop(1)


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.echo = Echo(PROGRAM, *cls.options)

    @classmethod
    def tearDownClass(cls):
        status = cls.echo.close()
        assert status == 0, f"parley-echo ended with {status}"

    def open(self, *path, **more):
        link = Socket(self.echo.port, *path, **more)
        self.addCleanup(link.close)
        return link


class Messages(Case):
    def test_echoes_text_of_every_size_around_the_buffers(self):
        link = self.open(timeout=20)
        for size in (0, 1, 125, 126, 127, 1000, 1023, 1024, 1025, 2048, 4096, 16384, 65535, 65536):
            text = ("x" * 7 + "é") * (size // 9) + "y" * (size % 9)
            self.assertEqual(len(text.encode()), size)
            link.text(text)
            self.assertEqual(link.read(), (1, text.encode()))

    def test_puts_fragments_together_with_pings_between(self):
        link = self.open()
        link.frame(1, b"one ", fin=False)
        link.frame(9, b"now")
        link.frame(0, b"two ", fin=False)
        link.frame(0, b"three")
        self.assertEqual(link.read(), (10, b"now"))
        self.assertEqual(link.read(), (1, b"one two three"))

    def test_takes_many_messages_in_one_segment_and_one_in_many(self):
        link = self.open()
        link.send(b"".join(Socket.encode(1, b"%d" % i) for i in range(40)))
        for i in range(40):
            self.assertEqual(link.read(), (1, b"%d" % i))
        for byte in Socket.encode(1, b"slowly"):
            link.send(bytes([byte]))
        self.assertEqual(link.read(), (1, b"slowly"))

    def test_handles_a_message_sent_with_the_handshake(self):
        raw = Raw(self.echo.port)
        self.addCleanup(raw.close)
        raw.send(handshake() + Socket.encode(1, b"early"))
        self.assertEqual(raw.answer().status, 101)
        self.assertEqual(raw.take(7), b"\x81\x05early")

    def test_closes_with_the_code_that_fits(self):
        for name, frames, code in (
            ("binary", [Socket.encode(2, b"x")], 1003),
            ("bad text", [Socket.encode(1, b"\xff\xfe")], 1007),
            ("cut text", [Socket.encode(1, b"\xc3")], 1007),
            ("surrogate", [Socket.encode(1, b"\xed\xa0\x80")], 1007),
            ("bad text in fragments", [Socket.encode(1, b"\xc3", fin=False), Socket.encode(0, b"x")], 1007),
            ("too large", [Socket.encode(1, b"x" * 65537)], 1009),
            (
                "too large in fragments",
                [Socket.encode(1, b"x" * 60000, fin=False), Socket.encode(0, b"x" * 6000)],
                1009,
            ),
            ("too large by promise", [b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\0\0\0\0x"], 1009),
            ("reserved bit", [Socket.encode(1, b"x", rsv=4)], 1002),
            ("unknown opcode", [Socket.encode(3, b"x")], 1002),
            ("unknown control", [Socket.encode(11, b"x")], 1002),
            ("fragmented ping", [Socket.encode(9, b"x", fin=False)], 1002),
            ("stray continuation", [Socket.encode(0, b"x")], 1002),
            ("unfinished message", [Socket.encode(1, b"x", fin=False), Socket.encode(1, b"y")], 1002),
        ):
            with self.subTest(name=name):
                link = self.open()
                link.send(b"".join(frames))
                self.assertEqual(link.closed_with()[0], code)

    def test_delivers_nothing_of_a_refused_message_and_what_follows(self):
        before = self.echo.stats()["messages"]
        link = self.open()
        link.send(Socket.encode(1, b"x" * 65537) + Socket.encode(1, b"y"))
        self.assertEqual(link.closed_with()[0], 1009)
        self.assertEqual(self.echo.stats()["messages"], before)

    def test_answers_a_close_with_the_same_code(self):
        link = self.open()
        link.frame(8, b"\x0f\xa0bye")
        self.assertEqual(link.closed_with(), (4000, "bye"))
        self.assertEqual(link.ends(), b"")

    def test_ignores_what_comes_after_a_close(self):
        before = self.echo.stats()["messages"]
        link = self.open()
        link.send(Socket.encode(8, b"\x03\xe8") + Socket.encode(1, b"late"))
        self.assertEqual(link.read(), (8, b"\x03\xe8"))
        self.assertEqual(link.ends(), b"")
        self.assertEqual(self.echo.stats()["messages"], before)

    def test_closes_when_the_app_says_so(self):
        link = self.open()
        link.text("/close 4005")
        self.assertEqual(link.closed_with(), (4005, "as asked"))
        link.frame(8, b"\x0f\xa5")
        self.assertEqual(link.ends(), b"")

    def test_opens_and_closes_at_once_when_the_handshake_is_to_be_explained(self):
        link = self.open(b"/v1/ws?close=1008&why=token_expired")
        self.assertEqual(link.closed_with(), (1008, "token_expired"))

    def test_tells_the_app_of_every_end(self):
        before = self.echo.stats()
        for how in ("close", "drop", "reset", "half"):
            link = self.open()
            link.text("hi")
            link.read()
            if how == "close":
                link.frame(8, b"\x03\xe8")
            elif how == "reset":
                link.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0
            if how == "half":
                link.socket.shutdown(1)
            else:
                link.close()
        wait_for(lambda: self.echo.stats()["closed"] == before["closed"] + 4)
        stats = self.echo.stats()
        self.assertEqual(stats["links"], before["links"])


class Pressure(Case):
    def test_sends_everything_in_order_to_a_slow_reader(self):
        link = self.open(timeout=30)
        link.text("/flood 3000 10000")
        time.sleep(0.5)
        for i in range(3000, 0, -1):
            opcode, payload = link.read()
            self.assertEqual(payload, bytes([ord("a") + i % 26]) * 10000)

    @unittest.skipIf("san/" in PROGRAM, "sanitizers keep freed memory")
    def test_bounds_its_memory_for_one_that_never_reads(self):
        before = self.echo.rss_bytes()
        links = [self.open() for _ in range(20)]
        for link in links:
            link.text("/flood 100000 10000")
        time.sleep(1.0)
        self.assertLess(self.echo.rss_bytes() - before, 20 * 64 * 1024 + 2 * 1024 * 1024)
        stats = self.echo.stats()
        self.assertGreaterEqual(stats["links"], 20)

    def test_stops_reading_while_paused_and_goes_on(self):
        link = self.open()
        link.send(Socket.encode(1, b"/pause 500") + Socket.encode(1, b"after") * 3)
        start = time.monotonic()
        self.assertEqual(link.read(), (1, b"after"))
        self.assertGreater(time.monotonic() - start, 0.35)
        self.assertEqual(link.read(), (1, b"after"))
        link.text("more")
        self.assertEqual(link.read(), (1, b"after"))
        self.assertEqual(link.read(), (1, b"more"))

    def test_closes_a_paused_and_a_blocked_link_with_its_code(self):
        link = self.open()
        link.send(Socket.encode(1, b"/pause 60000"))
        time.sleep(0.1)
        flooded = self.open(timeout=10)
        flooded.text("/flood 200 10000")
        time.sleep(0.2)
        flooded.text("/close 4005")
        time.sleep(0.2)
        self.assertEqual(flooded.closed_with()[0], 4005)

    def test_costs_no_cpu_when_links_are_idle_or_blocked(self):
        links = [self.open() for _ in range(50)]
        links[0].text("/flood 100000 10000")
        links[1].send(Socket.encode(1, b"/pause 60000") + Socket.encode(1, b"waits") * 100)
        time.sleep(0.5)
        before = self.echo.cpu_seconds()
        time.sleep(1.0)
        self.assertLess(self.echo.cpu_seconds() - before, 0.15)


class Heartbeats(Case):
    options = ("--heartbeat-ms", 600, "--pong-ms", 300)

    def test_pings_and_keeps_who_answers(self):
        link = self.open(timeout=2)
        start = time.monotonic()
        pings = 0
        while time.monotonic() - start < 2.5:
            opcode, payload = link.read()
            self.assertEqual(opcode, 9)
            link.frame(10, payload)
            pings += 1
        self.assertIn(pings, (3, 4, 5))

    def test_takes_any_traffic_for_life(self):
        link = self.open(timeout=2)
        for _ in range(25):
            time.sleep(0.1)
            link.text("alive")  # pings are never answered
        seen = [link.read() for _ in range(25)]
        self.assertIn((1, b"alive"), seen)
        self.assertNotIn(8, [opcode for opcode, _ in seen])

    def test_closes_with_4004_who_does_not(self):
        link = self.open(timeout=3)
        start = time.monotonic()
        opcode, payload = link.read()
        self.assertEqual(opcode, 9)
        opcode, payload = link.read()
        self.assertEqual((opcode, payload[:2]), (8, b"\x0f\xa4"))
        self.assertLess(time.monotonic() - start, 1.5)

    def test_drops_the_dead_without_waiting_for_them(self):
        links = [self.open() for _ in range(20)]
        wait_for(lambda: self.echo.stats()["links"] == 0, 4)
        self.assertGreaterEqual(self.echo.stats()["heartbeats_missed"], 20)
        del links

    def test_does_not_count_a_pause_against_the_client(self):
        link = self.open(timeout=4)
        link.text("/pause 1500")
        until = time.monotonic() + 2.3
        while time.monotonic() < until:
            opcode, payload = link.read()
            self.assertEqual(opcode, 9)
            link.frame(10, payload)


class Draining(unittest.TestCase):
    def test_closes_all_with_1001_in_slices_and_ends(self):
        echo = Echo(PROGRAM)
        links = [Socket(echo.port) for _ in range(1000)]
        seen = []

        def leave(part):
            for link in part:
                seen.append(link.closed_with())
                link.frame(8, b"\x03\xe9")
                link.ends()
                link.close()

        threads = [threading.Thread(target=leave, args=(links[i::4],)) for i in range(4)]
        start = time.monotonic()
        echo.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(echo.process.wait(timeout=10), 0)
        echo.process.stdout.close()
        self.assertGreater(time.monotonic() - start, 0.2)
        self.assertEqual(set(seen), {(1001, "going_away")})

    def test_refuses_new_connections_and_ends_in_time_with_silent_ones(self):
        echo = Echo(PROGRAM)
        link, raw = Socket(echo.port), Raw(echo.port)
        start = time.monotonic()
        echo.process.send_signal(signal.SIGTERM)
        wait_for(lambda: self.is_refused(echo.port))
        self.assertEqual(echo.process.wait(timeout=12), 0)
        echo.process.stdout.close()
        self.assertLess(time.monotonic() - start, 12)
        link.close(), raw.close()

    @staticmethod
    def is_refused(port):
        try:
            Raw(port).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it was in the queue of a listener that closed just then
            return False
        return False

    def test_shares_its_port_between_processes(self):
        first = Echo(PROGRAM, "--shares-port")
        second = Echo(PROGRAM, "--shares-port", "--port", first.port)
        links = [Socket(first.port) for _ in range(60)]
        first.close()
        open_links = 0
        for link in links:
            link.text("still here")
            try:
                if link.read() == (1, b"still here"):
                    open_links += 1
            except (EOFError, OSError):
                pass
            link.close()
        self.assertGreater(open_links, 0)
        self.assertLess(open_links, 60)
        self.assertEqual(second.close(), 0)

    def test_says_why_it_cannot_start(self):
        echo = Echo(PROGRAM)
        for options, text in (
            (("--port", str(echo.port)), "in use"),
            (("--cert", "/nonexistent", "--key", "/nonexistent"), "tls_cert_file"),
            (("--cert", "/nonexistent"), "both"),
        ):
            done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=5)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)
        echo.close()


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert, cls.key = (os.path.join(cls.folder.name, name) for name in ("cert", "key"))
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                cls.key,
                "-out",
                cls.cert,
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ],
            check=True,
            capture_output=True,
        )
        cls.options = ("--cert", cls.cert, "--key", cls.key)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        assert cls.echo.close() == 0
        cls.folder.cleanup()

    def tls(self, version=None, protocols=()):
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are to be refused
        context = ssl.create_default_context(cafile=self.cert)
        if version:
            context.minimum_version = context.maximum_version = version
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def test_speaks_tls_12_and_13(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            link = Socket(self.echo.port, tls=self.tls(version))
            for size in (1, 1000, 16384, 65536):
                link.text("x" * size)
                self.assertEqual(link.read(), (1, b"x" * size))
            link.close()

    def test_refuses_older_versions(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.tls(version)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, OSError)):
                Raw(self.echo.port, tls=context)

    def test_offers_http_11_only(self):
        raw = Raw(self.echo.port, tls=self.tls(protocols=["h2", "http/1.1"]))
        self.assertEqual(raw.socket.selected_alpn_protocol(), "http/1.1")
        raw.close()
        try:
            raw = Raw(self.echo.port, tls=self.tls(protocols=["h2"]))
            self.assertNotEqual(raw.socket.selected_alpn_protocol(), "h2")
            raw.close()
        except ssl.SSLError:
            pass

    def test_answers_requests_and_large_ones(self):
        raw = Raw(self.echo.port, tls=self.tls(), timeout=20)
        for size in (10, 100_000, 1_000_000):
            answer = raw.ask(b"GET /big?bytes=%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
            self.assertEqual(len(answer.body), size)
            self.assertIn("strict-transport-security", answer.headers)
        body = b"{" * 300_000
        answer = raw.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + body)
        self.assertIn(b"body 300000 " + body, answer.body)
        raw.close()

    def test_sends_everything_to_a_slow_reader(self):
        link = Socket(self.echo.port, tls=self.tls(), timeout=30)
        link.text("/flood 1000 10000")
        time.sleep(0.5)
        for i in range(1000, 0, -1):
            self.assertEqual(link.read()[1], bytes([ord("a") + i % 26]) * 10000)
        link.text("/close 4005")
        self.assertEqual(link.closed_with()[0], 4005)
        link.close()

    def test_survives_those_that_speak_no_tls(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, handshake()):
            raw = Raw(self.echo.port)
            raw.send(data)
            self.assertNotIn(b" 200 ", raw.ends())
            raw.close()
        Socket(self.echo.port, tls=self.tls()).close()


if __name__ == "__main__":
    unittest.main()
