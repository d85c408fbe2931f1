"""workload.py - people who talk: sessions on real sockets, senders, readers of pages, an owner who takes
a guest in and out. Each notes what it did and saw; none judges it (checker.py does).

A sender's attempt is answered, or after 2.5 s it is "unknown" and may be made again under the same id, on
any gateway; an answer that comes later still is noted. What got a definite error is sometimes given up:
it must then never appear. A session that loses its socket comes back with its newest cursor, to another
gateway.
"""

import asyncio
import json
import random
import socket
import urllib.error
import urllib.request
from collections import defaultdict

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from history import now
from sandbox import ip_of
from topology import USERS

ANSWER_S = 2.5
DOUBTFUL = "timeout"
LOST = (OSError, WebSocketException, asyncio.TimeoutError, EOFError)


class Session:
    """One device: a socket, and another one when that is lost; the cursor between them."""

    def __init__(self, load, user, name, rng):
        self.load, self.user, self.name, self.rng = load, user, name, rng
        self.socket, self.cursor, self.requests, self.connects = None, None, {}, 0
        self.may_read, self.is_over, self.synced = asyncio.Event(), False, asyncio.Event()
        self.may_read.set()

    async def run(self):
        while not self.is_over:
            try:
                await self._connection()
            except LOST:
                pass
            except ConnectionError:
                pass
            self.socket = None
            self.synced.clear()
            self._drop_requests()
            if not self.is_over:
                await asyncio.sleep(self.rng.uniform(0.02, 0.3))

    def _drop_requests(self):
        for _, answered in self.requests.values():
            if not answered.done():
                answered.set_result(None)
        self.requests.clear()

    async def _connection(self):
        node = self.rng.choice(self.load.gateways())
        self.connects += 1
        self.conn = f"{self.name}#{self.connects}"
        headers = {"Authorization": f"Bearer {self.load.tokens[self.user]}"}
        async with connect(
            f"ws://{ip_of(node)}:8080/v1/ws",
            additional_headers=headers,
            compression=None,
            max_size=1 << 22,
            open_timeout=4,
            close_timeout=0.2,
            ping_interval=None,
        ) as sock:
            sync = {"type": "sync", "id": "sync"}
            if self.cursor:
                sync["cursor"] = self.cursor
            self.opened = False
            self.resumes = bool(self.cursor)
            self.held = []
            await sock.send(json.dumps(sync))
            while not self.is_over:
                await self.may_read.wait()
                frame = await asyncio.wait_for(sock.recv(), 45)
                for line in frame.split("\n"):
                    if line:
                        self._take(json.loads(line), sock)

    def _take(self, thing, sock):
        kind = thing["type"]
        if "prev" in thing:
            self._event(thing)
        elif kind in ("ok", "error") and thing["id"] == "sync":
            self._synced(thing, sock)
        elif kind in ("ok", "error", "pong"):
            self._answer(thing)
        elif kind == "hello":
            self.first_cursor = thing["cursor"]
        elif kind == "cursor":
            self.cursor = thing["cursor"]
        elif kind == "sync.reset":
            self._open(False if thing["conversationId"] is None else self.resumes)
            self.load.history.note(
                "reset",
                t=now(),
                conn=self.conn,
                session=self.name,
                user=self.user,
                conv=thing["conversationId"],
                last=thing.get("lastSeq"),
                reason=thing["reason"],
            )

    def _open(self, resumed):
        if not self.opened:
            self.opened = True
            self.load.history.note("open", t=now(), conn=self.conn, session=self.name, user=self.user, resumed=resumed)

    def _synced(self, thing, sock):
        if thing["type"] == "error":
            self.load.history.note("refused_sync", t=now(), conn=self.conn, code=thing["error"]["code"])
            raise EOFError("sync was refused")
        self._open(self.resumes)
        self.cursor = thing.get("cursor") or self.cursor or self.first_cursor
        self.socket = sock
        self.synced.set()

    def _event(self, e):
        self._open(self.resumes)
        if e["conversationId"] not in self.load.conversations:
            return  # an earlier run's, whose late wake-up came now
        self.load.history.note(
            "recv",
            t=now(),
            conn=self.conn,
            session=self.name,
            user=self.user,
            conv=e["conversationId"],
            seq=e["seq"],
            prev=e["prev"],
            type=e["type"],
            sender=e.get("senderId") or e.get("by"),
            id=self.load.logical(e.get("clientMessageId")),
            body=e.get("text"),
            target=e.get("targetSeq"),
            member=e.get("userId"),
        )
        self.load.heads[self.name, e["conversationId"]] = e["seq"]

    def _answer(self, thing):
        note, answered = self.requests.pop(thing["id"], (None, None))
        if note:
            note(thing)
            if not answered.done():
                answered.set_result(thing)

    async def ask(self, request, note):
        """Sends and waits; the answer, or None: unknown. note(answer) is called whenever one comes."""
        request_id = f"r{now()}"
        answered = asyncio.get_running_loop().create_future()
        sock = self.socket
        if sock is None:
            return "not sent"
        self.requests[request_id] = (note, answered)
        try:
            await sock.send(json.dumps({**request, "id": request_id}))
            return await asyncio.wait_for(asyncio.shield(answered), ANSWER_S)
        except LOST:
            return None

    def cut(self):
        """The network ends, without a close frame."""
        if self.socket:
            try:
                self.socket.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    async def end(self):
        self.is_over = True
        self.may_read.set()
        if self.socket:
            try:
                await asyncio.wait_for(self.socket.close(), 1)
            except LOST:
                pass


class Workload:
    """One run's conversations, sessions and senders. `rates` are sends a second of each user."""

    def __init__(self, topology, history, seed, rate=20, defeat_dedupe=False):
        self.topology, self.history, self.seed, self.rate = topology, history, seed, rate
        self.tokens, self.heads, self.tag = topology.tokens, {}, f"s{seed % 10**8:x}"
        self.defeat_dedupe = defeat_dedupe
        self.sessions, self.tasks, self.conversations, self.acked = [], [], {}, []
        self.locks = defaultdict(asyncio.Lock)  # node → which fault has it stopped
        self.is_sending, self.actions, self.hot, self.burst = True, set(), None, 1

    def rng(self, name):
        return random.Random(f"{self.seed} {name}")

    def gateways(self):
        return self.topology.gateway_nodes

    # ---- REST ----

    def rest_now(self, node, user, method, path, body=None, timeout=4):
        request = urllib.request.Request(f"http://{ip_of(node)}:8080{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.tokens[user]}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data=data, timeout=timeout) as reply:
                text = reply.read()
                return reply.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, ValueError):
            return 0, None

    async def rest(self, *argv, **more):
        return await asyncio.to_thread(self.rest_now, *argv, **more)

    async def rest_until(self, wanted, *argv, tries=40):
        for n in range(tries):
            node = self.gateways()[n % len(self.gateways())]
            status, body = await self.rest(node, *argv)
            if status in wanted:
                return body
            await asyncio.sleep(0.25)
        raise RuntimeError(f"{argv}: {status}")

    # ---- the people ----

    async def begin(self, conversations=5):
        rng = self.rng("rooms")
        for n in range(conversations):
            owner, *others = rng.sample(USERS[:12], rng.randrange(3, 7))
            kind = "channel" if n == 0 else "group"
            made = await self.rest_until(
                (200, 201),
                owner,
                "POST",
                "/v1/conversations",
                {"type": kind, "name": f"{self.tag} {n}", "memberIds": others},
            )
            self.conversations[made["id"]] = [owner, *others]
        for user in sorted({u for members in self.conversations.values() for u in members} | {"u12"}):
            for device in "ab":
                self.sessions.append(Session(self, user, f"{user}{device}", self.rng(f"session {user}{device}")))
        self.running = [asyncio.create_task(s.run()) for s in self.sessions]
        await self.all_synced(20)
        for user in sorted({u for members in self.conversations.values() for u in members}):
            self.tasks.append(asyncio.create_task(self.sender(user, self.rng(f"sender {user}"))))
        self.tasks.append(asyncio.create_task(self.reader(self.rng("reader"))))
        self.tasks.append(asyncio.create_task(self.host(self.rng("host"))))

    async def all_synced(self, seconds):
        try:
            await asyncio.wait_for(asyncio.gather(*(s.synced.wait() for s in self.sessions)), seconds)
            return True
        except asyncio.TimeoutError:
            return False

    def sessions_of(self, user):
        return [s for s in self.sessions if s.user == user]

    async def sender(self, user, rng):
        mine = [c for c, members in self.conversations.items() if user in members]
        n = 0
        while self.is_sending:
            n += 1
            conv = self.hot if self.hot in mine else rng.choice(mine)
            chance = rng.random()
            if "late" in self.actions and chance < 0.3 and self.acked:
                await self.again(rng)
            elif chance < 0.05 and self.acked:
                await self.change(user, rng)
            else:
                await self.send(user, conv, f"{self.tag}-{user}-{n}", rng)
            await asyncio.sleep(rng.expovariate(self.rate * self.burst))

    async def send(self, user, conv, id_, rng):
        size = rng.choice([0, 0, 0, 200, 2000])
        body = f"{id_} ✓ {rng.random()} " + "x" * size
        for attempt in range(1, 12):
            answer = await self.attempt(user, conv, "m", id_, attempt, body, rng)
            if answer == "not sent":
                await asyncio.sleep(0.1)
            elif answer is None or is_doubtful(answer):
                if rng.random() < 0.1:
                    return
            elif answer["type"] == "ok":
                self.acked.append((user, conv, id_, body, answer["seq"], now(), attempt))
                return
            elif rng.random() < 0.5:
                return
            if not self.is_sending and rng.random() < 0.3:
                return
            await asyncio.sleep(rng.uniform(0.05, 0.3))

    async def attempt(self, user, conv, kind, id_, attempt, body, rng, target=None, started=None):
        session = rng.choice(self.sessions_of(user))
        if session.socket is None:
            return "not sent"
        about = {"client": session.name, "user": user, "conv": conv, "kind": kind, "id": id_, "attempt": attempt}
        request = self.request(conv, kind, id_, attempt, body, target, rng)
        self.history.note("send", t=now(), body=body, target=target, **about)

        def note(answer):
            if answer["type"] == "ok":
                self.history.note("ack", t=now(), seq=answer["seq"], duplicate=answer.get("duplicate", False), **about)
            elif is_doubtful(answer):
                self.history.note("unknown", t=now(), **about)
            else:
                self.history.note("error", t=now(), code=answer["error"]["code"], **about)

        answer = await session.ask(request, note)
        if answer is None or answer == "not sent":
            self.history.note("unknown", t=now(), **about)
            return None
        return answer

    def request(self, conv, kind, id_, attempt, body, target, rng):
        wire_id = f"{id_}~{attempt}".replace("~", "_a") if self.defeat_dedupe else id_
        if kind == "m":
            request = {"type": "message.send", "conversationId": conv, "clientMessageId": wire_id, "text": body}
        else:
            request = {
                "type": "message.edit" if kind == "e" else "message.delete",
                "conversationId": conv,
                "seq": target,
                "operationId": id_,
                **({"text": body} if kind == "e" else {}),
            }
        if attempt > 1:
            request["retry"] = True
            if self.topology.kind == "cluster" and attempt < 90:
                request["firstTriedMs"] = attempt * 500
        return request

    def logical(self, wire_id):
        """What the sender calls it: with dedupe defeated each attempt has an id of its own on the wire."""
        return wire_id.rsplit("_a", 1)[0] if wire_id and self.defeat_dedupe else wire_id

    async def change(self, user, rng):
        mine = [m for m in self.acked[-200:] if m[0] == user]
        if not mine:
            return
        _, conv, _, _, seq, _, _ = rng.choice(mine)
        kind = "e" if rng.random() < 0.8 else "d"
        id_ = f"{self.tag}-op-{now()}"
        for attempt in range(1, 6):
            answer = await self.attempt(
                user, conv, kind, id_, attempt, f"edited {id_}" if kind == "e" else None, rng, target=seq
            )
            if answer not in (None, "not sent") and not is_doubtful(answer):
                return
            await asyncio.sleep(0.2)

    async def again(self, rng):
        """X4, X5, X6: an old send repeated; its id with another body; its id by another member."""
        user, conv, id_, body, _, _, attempts = rng.choice(self.acked)
        what = rng.choice(["late", "late", "body", "sender"])
        if what == "sender":
            other = rng.choice(self.conversations[conv])
            if other != user:
                await self.attempt(other, conv, "m", id_, 1000 + rng.randrange(10**6), f"{id_} by {other}", rng)
            return
        await self.attempt(
            user, conv, "m", id_, 1000 + rng.randrange(10**6), body if what == "late" else body + " changed", rng
        )

    async def reader(self, rng):
        """Pages up to the end, in the midst of it all."""
        while self.is_sending:
            conv = rng.choice(list(self.conversations))
            user = rng.choice(self.conversations[conv])
            asked = now()
            status, page = await self.rest(
                rng.choice(self.gateways()), user, "GET", f"/v1/conversations/{conv}/messages?limit=30"
            )
            if status == 200:
                items = [self.item(m) for m in reversed(page["items"])]
                self.history.note("page", t=asked, user=user, conv=conv, items=items, whole=False, to_end=True)
            await asyncio.sleep(rng.uniform(0.1, 0.4))

    def item(self, m):
        return [
            m["seq"],
            m["senderId"],
            self.logical(m["clientMessageId"]),
            None if m.get("deletedAt") else m.get("text"),
        ]

    async def host(self, rng):
        """Takes the guest in and out; what became of it, the stream knows."""
        groups = list(self.conversations)[1:]
        while self.is_sending:
            conv = rng.choice(groups)
            owner, path = self.conversations[conv][0], f"/v1/conversations/{conv}/members/u12"
            await self.rest(rng.choice(self.gateways()), owner, "PUT", path, {"role": "member"})
            await asyncio.sleep(rng.uniform(0.2, 0.8))
            await self.rest(rng.choice(self.gateways()), owner, "DELETE", path)
            await asyncio.sleep(rng.uniform(0.1, 0.4))

    # ---- the end ----

    async def end_sending(self):
        self.is_sending = False
        await asyncio.gather(*self.tasks)

    async def caught_up(self, last, members, seconds):
        """Waits until every session has the last event of each of its conversations, or time is up; the checker
        decides about what is missing."""
        end = asyncio.get_running_loop().time() + seconds

        def is_whole():
            return all(
                self.heads.get((s.name, conv), 0) >= seq
                for conv, seq in last.items()
                for s in self.sessions
                if s.user in members[conv]
            )

        while not is_whole() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.05)
        for s in self.sessions:
            if s.synced.is_set():
                self.history.note("settled", conn=s.conn, session=s.name, user=s.user)
            else:
                self.history.note("never_synced", session=s.name, user=s.user)

    async def page_all(self, members):
        """The whole history and the raw log of every conversation, as every member sees it."""
        jobs = [
            self.page_one(user, conv, what)
            for conv in members
            for user in members[conv]
            for what in ("messages", "events")
        ]
        await asyncio.gather(*jobs)

    async def page_one(self, user, conv, what):
        items, after, asked = [], 0, now()
        while True:
            path = f"/v1/conversations/{conv}/{what}?after={after}&limit=100"
            page = await self.rest_until((200,), user, "GET", path)
            items += page["items"]
            if len(page["items"]) < 100:
                break
            after = page["items"][-1]["seq"]
        if what == "messages":
            self.history.note("page", t=asked, user=user, conv=conv, items=[self.item(m) for m in items], whole=True)
        else:
            raw = [[e["seq"], e["prev"], e["type"]] for e in items]
            self.history.note("events", t=asked, user=user, conv=conv, items=raw, whole=True)

    async def end(self):
        await asyncio.gather(*(s.end() for s in self.sessions))
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)


def is_doubtful(answer):
    return answer != "not sent" and answer["type"] == "error" and answer["error"]["code"] == DOUBTFUL
