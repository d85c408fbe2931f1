"""The HTTP guard and the request path of adapters/lws, by raw bytes on a socket.

Proves by asking parley-echo what no polite client would ask, and looking at the answer, at what the
server counts as handed to the app, and at whether the connection ends. Argument: the program.
"""

import json
import sys
import time
import unittest

from wire import Echo, Raw, Slow, handshake, wait_for

PROGRAM = sys.argv.pop(1)
HOST = b"Host: localhost\r\n"


def request(method=b"GET", target=b"/echo", *lines, body=b"", version=b"HTTP/1.1", host=HOST):
    head = method + b" " + target + b" " + version + b"\r\n" + host
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def post(body=b"hello", target=b"/echo", *lines):
    return request(b"POST", target, b"Content-Length: %d" % len(body), *lines, body=body)


class Http(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.echo = Echo(PROGRAM, *cls.options)

    @classmethod
    def tearDownClass(cls):
        status = cls.echo.close()
        assert status == 0, f"parley-echo ended with {status}"

    def raw(self, **more):
        raw = Raw(self.echo.port, **more)
        self.addCleanup(raw.close)
        return raw

    def refused(self, data, *statuses):
        """Answered with one of the statuses, closed after, and never seen by the app."""
        before = self.echo.stats()["requests"]
        raw = self.raw()
        answer = raw.ask(data)
        self.assertIn(answer.status, statuses, answer.body)
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        problem = json.loads(answer.body)
        self.assertEqual(problem["requestId"], answer.headers["x-request-id"])
        self.assertEqual(problem["type"], "urn:parley:problem:" + problem["code"])
        self.assertEqual(problem["instance"], "urn:uuid:" + problem["requestId"])
        self.assertEqual(raw.ends(), b"")
        self.assertEqual(self.echo.stats()["requests"], before + 1)  # the stats request itself
        return answer

    def closed(self, data):
        """Ends without the app having seen it; what was said before the end is given back."""
        before = self.echo.stats()["requests"]
        raw = self.raw()
        raw.send(data)
        rest = raw.ends()
        self.assertEqual(self.echo.stats()["requests"], before + 1)
        self.assertNotIn(b" 200 ", rest)
        return rest


class Plain(Http):
    def test_answers_a_get_with_its_parts(self):
        answer = self.raw().ask(request(b"GET", b"/echo?a=1&b=x%20y&c", b"Idempotency-Key: k-1"))
        self.assertEqual(answer.status, 200)
        for line in (
            b"method GET",
            b"path /echo",
            b"param a=1",
            b"param b=x y",
            b"param c=",
            b"key k-1",
            b"from 127.0.0.1",
            b"host localhost",
        ):
            self.assertIn(line + b"\n", answer.body)

    def test_answers_each_method_with_a_body(self):
        for method in (b"POST", b"PUT", b"PATCH"):
            with self.subTest(method=method):
                raw = self.raw()
                data = request(method, b"/echo", b"Content-Length: 5", body=b"{ello")
                for _ in range(3):
                    answer = raw.ask(data)
                    self.assertIn(b"method " + method + b"\n", answer.body)
                    self.assertIn(b"body 5 {ello\n", answer.body)

    def test_takes_an_empty_body_given_as_zero(self):
        for method in (b"POST", b"PUT", b"PATCH", b"DELETE", b"GET"):
            with self.subTest(method=method):
                raw = self.raw()
                for _ in range(2):
                    answer = raw.ask(request(method, b"/echo", b"Content-Length: 0"))
                    self.assertIn(b"body 0 \n", answer.body)

    def test_takes_a_post_without_length_as_empty_and_closes(self):
        raw = self.raw()
        answer = raw.ask(request(b"POST", b"/echo"))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(raw.ends(), b"")

    def test_keeps_the_connection_for_many_requests(self):
        raw = self.raw()
        for i in range(200):
            answer = raw.ask(request(b"GET", b"/echo?i=%d" % i) if i % 2 else post(b"%d" % i))
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["connection"], "keep-alive")

    def test_carries_the_security_headers_on_every_answer(self):
        for data in (
            request(),
            request(target=b"/none"),
            request(b"BREW"),
            request(b"GET", b"/echo", b"Transfer-Encoding: chunked"),
        ):
            headers = self.raw().ask(data).headers
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertNotIn("server", headers)

    def test_answers_head_without_the_body(self):
        raw = self.raw()
        for _ in range(2):
            answer = raw.ask(request(b"HEAD", b"/big?bytes=1000"), is_head=True)
            self.assertEqual(answer.headers["content-length"], "1000")
        self.assertEqual(raw.ask(request()).status, 200)

    def test_sends_large_answers_whole(self):
        raw = self.raw(timeout=20)
        for size in (65535, 65536, 65537, 3_000_000):
            answer = raw.ask(request(b"GET", b"/big?bytes=%d" % size))
            self.assertEqual(len(answer.body), size)
            self.assertEqual(answer.body[-26:], (b"abcdefghijklmnopqrstuvwxyz" * 2)[size % 26 : size % 26 + 26])

    def test_takes_a_body_in_single_bytes(self):
        raw = self.raw()
        data = post(b"0123456789")
        for i in range(len(data)):
            raw.send(data[i : i + 1])
        self.assertIn(b"body 10 0123456789\n", raw.answer().body)

    def test_takes_a_body_up_to_the_limit_byte_for_byte(self):
        body = bytes(range(256)) * 4096
        self.assertEqual(len(body), 1024 * 1024)
        answer = self.raw(timeout=20).ask(post(body))
        self.assertIn(b"body 1048576 " + body + b"\n", answer.body)

    def test_closes_for_http_10_and_for_connection_close(self):
        for data in (
            request(version=b"HTTP/1.0"),
            request(b"GET", b"/echo", b"Connection: close"),
            request(b"GET", b"/echo", b"Connection: TE, Close"),
        ):
            raw = self.raw()
            answer = raw.ask(data)
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertEqual(raw.ends(), b"")

    def test_never_lets_a_reply_header_split_the_answer(self):
        answer = self.raw().ask(request(target=b"/split"))
        self.assertEqual(answer.status, 500)
        self.assertNotIn("x-forged", answer.headers)

    def test_decodes_the_path_once_and_normalises_it(self):
        for target, path in (
            (b"/%65cho", b"/echo"),
            (b"/x/../echo", b"/echo"),
            (b"//echo", b"/echo"),
            (b"/./echo", b"/echo"),
            (b"/%2565", b"/%65"),
            (b"/../../echo", b"/echo"),
            (b"/%2e%2e/echo", b"/echo"),
        ):
            with self.subTest(target=target):
                answer = self.raw().ask(request(target=target))
                if path == b"/echo":
                    self.assertIn(b"path /echo\n", answer.body)
                else:
                    self.assertEqual(answer.status, 404)

    def test_passes_text_of_any_script_in_path_and_query(self):
        answer = self.raw().ask(request(target=b"/echo?e=%F0%9F%91%8D"))
        self.assertIn("param e=👍\n".encode(), answer.body)

    def test_drops_the_answer_when_the_client_is_gone(self):
        for _ in range(20):
            raw = self.raw()
            raw.send(request(target=b"/late?ms=100"))
            raw.close()
        time.sleep(0.3)
        self.assertEqual(self.raw().ask(request()).status, 200)


class Guard(Http):
    def test_transfer_encoding_is_411_in_every_spelling(self):
        for value in (b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"x", b""):
            with self.subTest(value=value):
                self.refused(request(b"POST", b"/echo", b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"), 411)

    def test_transfer_encoding_with_content_length_is_400(self):
        for lines in (
            (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
            (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            (b"Content-Length: 0", b"Transfer-Encoding: identity"),
        ):
            self.refused(request(b"POST", b"/echo", *lines, body=b"0\r\n\r\n"), 400)

    def test_odd_content_lengths_are_400(self):
        for value in (
            b"-1",
            b"+5",
            b"5, 5",
            b"5,6",
            b"0x5",
            b"5 5",
            b"five",
            b"",
            b"5.0",
            b"99999999999999999999",
            b"18446744073709551621",
            b"00000000000005",
            b"5;",
        ):
            with self.subTest(value=value):
                self.refused(request(b"POST", b"/echo", b"Content-Length: " + value, body=b"hello"), 400)

    def test_two_content_lengths_are_400(self):
        for second in (b"5", b"6", b"0"):
            self.refused(
                request(b"POST", b"/echo", b"Content-Length: 5", b"Content-Length: " + second, body=b"hello"), 400
            )

    def test_blanks_before_the_colon_are_400(self):
        for line in (
            b"Content-Length : 5",
            b"Content-Length\t: 5",
            b"Transfer-Encoding : chunked",
            b" Transfer-Encoding: chunked",
        ):
            with self.subTest(line=line):
                self.refused(request(b"POST", b"/echo", line, body=b"hello"), 400)

    def test_a_body_over_the_limit_is_413_before_it_is_sent(self):
        self.refused(request(b"POST", b"/echo", b"Content-Length: 1048577"), 413)
        self.refused(request(b"PUT", b"/echo", b"Content-Length: 999999999999"), 413)

    def test_a_body_where_none_belongs_is_400(self):
        for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
            with self.subTest(method=method):
                raw = self.raw()
                answer = raw.ask(request(method, b"/echo", b"Content-Length: 5", body=b"hello"), is_head=False)
                self.assertEqual(answer.status, 400)
                self.assertEqual(raw.ends(), b"")

    def test_a_smuggled_second_request_is_never_handled(self):
        smuggled = b"GET /echo?smuggled=1 HTTP/1.1\r\nHost: x\r\n\r\n"
        for head in (
            request(b"POST", b"/echo", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
            request(b"POST", b"/echo", b"Transfer-Encoding: chunked"),
            request(b"GET", b"/echo", b"Content-Length: %d" % len(smuggled)),
            request(b"POST", b"/echo"),
        ):
            with self.subTest(head=head):
                raw = self.raw()
                raw.send(head + smuggled)
                self.assertNotIn(b"smuggled", raw.ends())

    def test_host_must_be_there_once(self):
        for host in (b"", b"Host: \r\n", b"Host: a\r\nHost: b\r\n", b"Host: a b\r\n", b"Host: a,b\r\n"):
            with self.subTest(host=host):
                self.refused(request(host=host), 400)

    def test_headers_over_the_limit_are_431_or_closed(self):
        self.refused(request(b"GET", b"/echo", b"Cookie: " + b"x" * 9000), 431)
        self.refused(request(b"GET", b"/" + b"x" * 9000), 431)
        self.assertRegex(
            self.closed(request(b"GET", b"/echo", b"Cookie: " + b"x" * 50000)), rb"^(HTTP/1.1 431 .*)?$|^HTTP/1.1 431 "
        )
        self.closed(request(b"GET", b"/echo", *[b"X-%d: y" % i for i in range(5000)]))

    def test_expect_is_answered_with_100_or_417(self):
        raw = self.raw()
        go_on = raw.ask(request(b"POST", b"/echo", b"Content-Length: 5", b"Expect: 100-continue"))
        self.assertEqual(go_on.status, 100)
        raw.send(b"hello")
        self.assertIn(b"body 5 hello\n", raw.answer().body)
        self.refused(request(b"POST", b"/echo", b"Content-Length: 5", b"Expect: miracles"), 417)
        raw = self.raw()  # too large: no 100 first
        self.assertEqual(
            raw.ask(request(b"POST", b"/echo", b"Content-Length: 2000000", b"Expect: 100-continue")).status, 413
        )

    def test_unknown_methods_are_405_with_allow(self):
        for method in (b"BREW", b"TRACE", b"PROPFIND", b"GETX", b"CONNECT"):
            with self.subTest(method=method):
                target = b"/echo" if method != b"CONNECT" else b"a:80"
                answer = self.refused(request(method, target), 405)
                self.assertIn("GET", answer.headers["allow"])

    def test_bytes_that_are_no_http_are_refused_or_closed(self):
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 80,
            b"hello\r\n\r\n",
            b"\r\n\r\n\r\n\r\n",
            b"GET\r\n\r\n",
            b"\0\0\0\0",
            b"GET /echo\r\n\r\n",
            b"SSH-2.0-x\r\n",
            b'{"a":1}\r\n',
        ):
            with self.subTest(data=data):
                rest = self.closed(data) if not data.startswith(b"\r\n") else b""
                if rest:
                    self.assertRegex(rest, rb"^HTTP/1.[01] 4\d\d ")

    def test_other_versions_are_refused(self):
        for version in (b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/11.1", b"HTTP/1.1x"):
            with self.subTest(version=version):
                self.refused(request(version=version), 505)
        self.refused(request(version=b"ICAP/1.0"), 400)
        self.refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

    def test_odd_targets_never_reach_the_app(self):
        for target in (
            b"/a%00b",
            b"/echo%00",
            b"/%00echo",
            b"/a%0d%0ab",
            b"/a\x01b",
            b"/%ff%fe",
            b"/a;b",
            b"/a&b",
            b"/%",
            b"/%zz",
            b"/a%2",
            b"/echo?x=%00",
            b"/echo?x=%ff",
            b"/echo?x=%0d%0ay",
            b"*",
            b"http://localhost/echo",
            b"echo",
        ):
            with self.subTest(target=target):
                rest = self.closed(request(target=target))
                if rest:
                    self.assertRegex(rest, rb"^HTTP/1.[01] 4\d\d ")

    def test_too_many_parameters_are_400(self):
        query = b"&".join(b"p%d=1" % i for i in range(30))
        self.refused(request(b"GET", b"/echo?" + query), 400)

    def test_control_bytes_in_headers_are_400(self):
        for line in (b"Authorization: a\x01b", b"Cookie: a\x00b", b"Idempotency-Key: a\x7fb"):
            with self.subTest(line=line):
                self.refused(request(b"GET", b"/echo", line), 400)


class Pipelines(Http):
    def test_answers_pipelined_gets_in_order(self):
        raw = self.raw()
        raw.send(b"".join(request(target=b"/echo?i=%d" % i) for i in range(20)))
        for i in range(20):
            self.assertIn(b"param i=%d\n" % i, raw.answer().body)

    def test_answers_pipelined_late_answers_in_order(self):
        raw = self.raw()
        raw.send(
            request(target=b"/late?ms=150&i=0") + request(target=b"/echo?i=1") + request(target=b"/late?ms=50&i=2")
        )
        for i in range(3):
            self.assertIn(b"param i=%d\n" % i, raw.answer().body)

    def test_refuses_a_body_that_was_pipelined_instead_of_making_one_up(self):
        """The library re-enters the first request's completion for bytes behind it, and gives a
        pipelined request its own head as body, then bytes that it has freed. It takes a method in
        any case, and known headers before the request line."""
        for first in (
            post(b"{one", b"/echo?i=0"),
            post(b"{one", b"/late?ms=150&i=0"),
            request(target=b"/echo?i=0"),
            request(target=b"/late?ms=150&i=0"),
        ):
            for second in (
                post(b"{wo"),
                post(b"{" * 3000),
                post(b"{" * 30000),
                request(b"PUT", b"/echo", b"Content-Length: 1", body=b"{"),
                post(b"{" * 3000).replace(b"POST", b"pOsT"),
                post(b"{" * 40).replace(b"POST", b"PoST"),
                b"Host: a\r\nPOST /echo HTTP/1.1\r\nContent-Length: 6\r\n\r\n{bcdef",
                b"accept: a\r\nHost: a\r\nPATCH /echo HTTP/1.1\r\nContent-Length: 60\r\n\r\n" + b"{" * 60,
                b":authority: a\r\nHost: a\r\nPOST /echo HTTP/1.1\r\nContent-Length: 40\r\n\r\n" + b"{" * 40,
                b"te:\r\nHost: a\r\nPUT /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\n{bc",
            ):
                with self.subTest(first=first, second=second[:80]):
                    before = self.echo.stats()["requests"]
                    raw = self.raw()
                    raw.send(first + second + request(target=b"/echo?i=2"))
                    self.assertIn(b"param i=0\n", raw.answer().body)
                    answer = raw.answer()
                    if answer.status == 200:  # it came in a read of its own
                        self.assertIn(b"body %d {" % len(second.split(b"\r\n\r\n")[1]), answer.body)
                    else:
                        self.assertEqual(answer.status, 400)
                        self.assertEqual(raw.ends(), b"")
                        self.assertEqual(self.echo.stats()["requests"], before + 2)

    def test_a_second_request_with_a_body_of_its_own_is_answered(self):
        raw = self.raw()
        for i in range(3):
            body = b'{"i":%d}' % i
            self.assertIn(b"body %d {" % len(body), raw.ask(post(body, b"/echo?i=%d" % i)).body)

    def test_a_later_body_that_is_a_word_is_400(self):
        """It can't be told from the request's own head, and no operation takes one."""
        raw = self.raw()
        self.assertEqual(raw.ask(post(b"word")).status, 200)
        raw.send(post(b"word"))
        self.assertEqual(raw.answer().status, 400)
        self.assertEqual(raw.ends(), b"")

    def test_answers_an_empty_post_that_was_pipelined(self):
        raw = self.raw()
        raw.send(post(b"one", b"/echo?i=0") + post(b"", b"/echo?i=1") + request(target=b"/echo?i=2"))
        for i in range(3):
            self.assertIn(b"param i=%d\n" % i, raw.answer().body)

    def test_costs_no_cpu_while_pipelined_bytes_wait(self):
        for method in (b"POST", b"GET"):
            with self.subTest(method=method):
                raw = self.raw()
                first = post(b"one", b"/never") if method == b"POST" else request(target=b"/never")
                raw.send(first + post(b"{two") + request())
                time.sleep(0.2)
                raw.send(request() * 3)
                before = self.echo.cpu_seconds()
                time.sleep(1.0)
                self.assertLess(self.echo.cpu_seconds() - before, 0.2)

    def test_an_unknown_upgrade_on_a_kept_connection_is_harmless(self):
        """CVE-2025-11677: the library goes on with freed headers after its own answer."""
        for _ in range(50):
            raw = self.raw()
            self.assertEqual(raw.ask(request()).status, 200)
            raw.send(request(b"GET", b"/echo", b"Upgrade: teapot", b"Connection: Upgrade"))
            raw.ends()
        self.assertEqual(self.raw().ask(request()).status, 200)


class Upgrades(Http):
    def test_refuses_bad_handshakes_with_an_answer(self):
        good = handshake()
        for name, data, status in (
            ("version", good.replace(b"Version: 13", b"Version: 8"), 426),
            ("no version", good.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 426),
            ("no key", good.replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
            ("short key", good.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"abc="), 400),
            ("no connection", good.replace(b"Connection: Upgrade\r\n", b""), 400),
            ("other connection", good.replace(b"Connection: Upgrade", b"Connection: close"), 400),
            ("post", good.replace(b"GET", b"POST"), 400),
            ("http 1.0", good.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
            ("no host", good.replace(b"Host: localhost\r\n", b""), 400),
            ("body", good.replace(b"Upgrade: w", b"Content-Length: 5\r\nUpgrade: w"), 400),
            ("chunks", good.replace(b"Upgrade: w", b"Transfer-Encoding: chunked\r\nUpgrade: w"), 411),
            ("h2c", good.replace(b"Upgrade: websocket", b"Upgrade: h2c"), 400),
            ("subprotocol", handshake(b"/v1/ws", b"Sec-WebSocket-Protocol: mqtt"), 400),
            ("path", handshake(b"/v1/other"), 404),
            ("app", handshake(b"/v1/ws?refuse=403"), 403),
            ("app busy", handshake(b"/v1/ws?refuse=503"), 503),
        ):
            with self.subTest(name=name):
                raw = self.raw()
                answer = raw.ask(data)
                self.assertEqual(answer.status, status, answer.body)
                self.assertEqual(raw.ends(), b"")

    def test_hangs_up_or_refuses_an_unknown_upgrade(self):
        raw = self.raw()
        raw.send(handshake().replace(b"Upgrade: websocket", b"Upgrade: teapot"))
        self.assertNotIn(b" 101 ", raw.ends())

    def test_upgrades_a_kept_connection(self):
        raw = self.raw()
        self.assertEqual(raw.ask(request()).status, 200)
        self.assertEqual(raw.ask(handshake()).status, 101)

    def test_takes_connection_lists_and_offers(self):
        for data in (
            handshake().replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
            handshake(b"/v1/ws", b"Sec-WebSocket-Protocol: other, parley.v1"),
        ):
            answer = self.raw().ask(data)
            self.assertEqual(answer.status, 101)
        self.assertEqual(answer.headers["sec-websocket-protocol"], "parley.v1")


class Slowness(Http):
    options = ("--header-ms", 500, "--body-ms", 500, "--reply-ms", 500, "--idle-ms", 700)

    def assert_ends_within(self, raw, seconds, drip=b""):
        end = time.monotonic() + seconds
        raw.socket.settimeout(0.1)
        while time.monotonic() < end:
            try:
                if drip:
                    raw.send(drip)
                if not raw.more():
                    return raw.rest
            except Slow:
                continue
            except OSError:
                return raw.rest
        self.fail("still open")

    def test_ends_one_that_says_nothing(self):
        self.assert_ends_within(self.raw(), 1.5)

    def test_ends_slow_headers_however_they_drip(self):
        raw = self.raw()
        raw.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n")
        self.assert_ends_within(raw, 2.0, drip=b"X-A: b\r\n")

    def test_answers_a_slow_body_with_408(self):
        raw = self.raw()
        raw.send(request(b"POST", b"/echo", b"Content-Length: 1000"))
        answer = self.assert_ends_within(raw, 2.0, drip=b"x")
        self.assertIn(b" 408 ", answer)
        self.assertIn(b'"code":"request_timeout"', answer)  # timeout would mean that it may have been done

    def test_answers_504_when_the_app_does_not(self):
        raw = self.raw()
        answer = raw.ask(request(target=b"/never"))
        self.assertEqual(answer.status, 504)
        self.assertEqual(raw.ends(), b"")

    def test_ends_an_idle_kept_connection_and_slow_headers_on_it(self):
        raw = self.raw()
        self.assertEqual(raw.ask(request()).status, 200)
        self.assert_ends_within(raw, 2.0)
        raw = self.raw()
        self.assertEqual(raw.ask(request()).status, 200)
        self.assert_ends_within(raw, 3.0, drip=b"GET /"[:1])


class Limits(Http):
    options = ("--connections", 10, "--per-address", 5)

    def test_refuses_at_the_door_by_address(self):
        held = [self.raw() for _ in range(5)]
        wait_for(lambda: held[-1].ask(request()).status == 200)
        raw = self.raw()
        raw.send(request())
        refusal = raw.ends()
        self.assertRegex(refusal, rb"^HTTP/1.1 429 ")
        self.assertIn(b"rate_limited", refusal)
        held.pop().close()
        time.sleep(0.1)
        self.assertEqual(self.raw().ask(request()).status, 200)


def forwarded(address):
    return handshake(b"/v1/ws", b"X-Forwarded-For: " + address)


class BehindProxy(Http):
    options = ("--connections", 20, "--per-address", 2, "--trusted-proxies", "127.0.0.0/8")

    def test_counts_websockets_for_whom_the_proxy_names(self):
        held = []
        for forged in (b"1.1.1.1, 203.0.113.9", b"2.2.2.2,203.0.113.9"):
            held.append(self.raw())
            self.assertEqual(held[-1].ask(forwarded(forged)).status, 101)
        refused = self.raw().ask(forwarded(b"3.3.3.3, 203.0.113.9"))
        self.assertEqual(refused.status, 429)
        self.assertIn(b"rate_limited", refused.body)
        other = self.raw()
        self.assertEqual(other.ask(forwarded(b"203.0.113.10")).status, 101)
        held.pop().close()
        time.sleep(0.2)
        self.assertEqual(self.raw().ask(forwarded(b"203.0.113.9")).status, 101)

    def test_a_body_that_the_proxy_saw_is_no_request_of_somebody_else(self):
        """The library swallows the line after a header that is the beginning of a name it knows."""
        inner = b"GET /echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        for name in (b"X", b"If", b"Content", b"Sec", b"Foo"):
            for method in (b"GET", b"POST"):
                raw = self.raw()
                head = b"%s /echo HTTP/1.1\r\nHost: a\r\n%s: a\r\nContent-Length: %d\r\nBar: b\r\n\r\n"
                raw.send(head % (method, name, len(inner)))
                time.sleep(0.02)
                try:
                    raw.send(inner)
                    got = raw.ends()
                except OSError:  # closed already
                    got = b""
                self.assertLessEqual(got.count(b"HTTP/1.1 "), 1, (name, method, got))
                self.assertNotIn(b"param smuggled", got)

    def test_does_not_count_the_proxy_itself(self):
        held = [self.raw() for _ in range(6)]
        self.assertEqual([raw.ask(request()).status for raw in held], [200] * 6)


class NoProxy(Http):
    options = ("--connections", 20, "--per-address", 2)

    def test_believes_no_header_of_others(self):
        held = [self.raw() for _ in range(2)]
        for number, raw in enumerate(held):
            self.assertEqual(raw.ask(forwarded(b"203.0.113.%d" % number)).status, 101)
        raw = self.raw()
        raw.send(forwarded(b"203.0.113.99"))
        self.assertRegex(raw.ends(), rb"^HTTP/1.1 429 ")


class Full(Http):
    options = ("--connections", 5)

    def test_refuses_at_the_door_when_full(self):
        held = [self.raw() for _ in range(5)]
        wait_for(lambda: held[-1].ask(request()).status == 200)
        for data in (request(), handshake()):
            raw = self.raw()
            raw.send(data)
            self.assertRegex(raw.ends(), rb"^HTTP/1.1 503 ")
        held.pop().close()
        time.sleep(0.1)
        self.assertEqual(self.raw().ask(request()).status, 200)


if __name__ == "__main__":
    unittest.main()
