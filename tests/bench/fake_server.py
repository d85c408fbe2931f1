#!/usr/bin/env python3
"""A test double for the bench itself: it speaks as much of the protocol as parley-bench uses, keeps
everything in memory, and does wrong on demand, so that a test can prove that the checker sees it.

    fake_server.py --port N [--lose N] [--double N] [--swap N] [--change N] [--invent N] [--forget N]
                   [--unchain N] [--renumber N] [--page-lose N] [--cut N]

Each switch does its wrong at one in N chances, by dice that fall the same way each time. This is no server to build on.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import re
import socket
import sqlite3
import sys
import time
from urllib.parse import parse_qs, urlsplit

ap = argparse.ArgumentParser()
ap.add_argument("--port", type=int, required=True)
WRONGS = {
    "lose": "a delivery is left out (seq and prev of the rest as they are)",
    "double": "a delivery comes twice",
    "swap": "a delivery comes after the next one",
    "change": "a delivery has another text",
    "strip": "a delivery lacks the message's metadata",
    "unjoin": "a join or leave is acknowledged and not stored",
    "invent": "an event that nobody sent is stored",
    "forget": "a message is acknowledged and not stored",
    "unchain": "a delivery has a wrong prev",
    "renumber": "an acknowledgement names another seq",
    "twice": "a message is stored twice",
    "page-lose": "a message is missing in REST pages",
    "log-lose": "an event is missing in the raw log",
    "cut": "the connection is dropped before the answer",
    "refuse": "a send is answered with a definite error",
    "unrecover": "a sync leaves out the last missed event",
    "stream-lose": "the mirror in NATS holds another event in an event's place",
    "stream-change": "the mirror in NATS has another text",
    "store-lose": "the mirror in SQLite lacks a row",
    "store-change": "the mirror in SQLite has another text",
}
for name, text in WRONGS.items():
    ap.add_argument("--" + name, type=int, default=0, metavar="N", help=text)
ap.add_argument("--mirror-nats", type=int, metavar="PORT", help="also publishes each event to a nats-server")
ap.add_argument("--mirror-store", metavar="FILE", help="also writes each event into a SQLite file")
opts = ap.parse_args()
dice = random.Random(1)


def compact(thing):
    """JSON as the real server writes it, byte for byte: without blanks, in UTF-8."""
    return json.dumps(thing, ensure_ascii=False, separators=(",", ":"))


def wrong(name):
    every = getattr(opts, name.replace("-", "_"))
    return every > 0 and dice.randrange(every) == 0


class Mirror:
    """Where a real server would keep events too, so that the bench's readers have something to read.
    The stream numbers from 1 without a hole, as this server does: both have the same numbers."""

    def __init__(self):
        self.nats = self.db = None
        if opts.mirror_nats:
            self.nats = socket.create_connection(("127.0.0.1", opts.mirror_nats))
            self.nats.recv(4096)
            self.nats.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.fake 1\r\n')
        if opts.mirror_store:
            self.db = sqlite3.connect(opts.mirror_store, isolation_level=None)
            self.db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                "CREATE TABLE conversations (no INTEGER PRIMARY KEY, id TEXT UNIQUE);"
                "CREATE TABLE events (conversation INTEGER, seq INTEGER, prev INTEGER, kind TEXT, actor TEXT,"
                " client_id TEXT, user TEXT, payload TEXT);"
            )

    def keep(self, event):
        payload = {k: v for k, v in event.items() if k not in ("seq", "prev", "at")}
        if self.nats:
            self.publish(payload)
        if self.db:
            self.insert(event, payload)

    def publish(self, payload):
        subject = "chat.0.c." + payload["conversationId"]
        if wrong("stream-lose"):
            subject = "chat.0.c.another"
        if "text" in payload and wrong("stream-change"):
            payload = {**payload, "text": payload["text"] + "!"}
        data = compact(payload).encode()
        self.nats.sendall(f"PUB {subject} _INBOX.fake {len(data)}\r\n".encode() + data + b"\r\n")
        while b"MSG" not in self.nats.recv(4096):
            pass

    def insert(self, event, payload):
        if wrong("store-lose"):
            return
        if "text" in payload and wrong("store-change"):
            payload = {**payload, "text": payload["text"] + "!"}
        self.db.execute("INSERT OR IGNORE INTO conversations (id) VALUES (?)", (event["conversationId"],))
        self.db.execute(
            "INSERT INTO events SELECT no, ?, ?, ?, ?, ?, ?, ? FROM conversations WHERE id = ?",
            (
                event["seq"],
                event["prev"],
                "m" if "text" in event else "a",
                event.get("senderId"),
                event.get("clientMessageId"),
                event.get("userId"),
                compact(payload),
                event["conversationId"],
            ),
        )


mirror = Mirror()


class Conversation:
    def __init__(self, cid):
        self.id, self.members, self.events, self.by_client = cid, {}, [], {}


conversations, sockets, next_seq = {}, {}, 1


def store(conv, event):
    """Appends an event; the order of keys is that of the protocol page."""
    global next_seq
    prev = conv.events[-1]["seq"] if conv.events else 0
    full = {
        "type": event["type"],
        "conversationId": conv.id,
        "seq": next_seq,
        "prev": prev,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        **event,
    }
    next_seq += 1
    conv.events.append(full)
    mirror.keep(full)
    return full


def deliver(conv, event, extra=()):
    for user in list(conv.members) + list(extra):
        for sock in sockets.get(user, ()):
            sock.event(event)


def emit(conv, event, extra=()):
    full = store(conv, event)
    deliver(conv, full, extra)
    return full


class Socket:
    def __init__(self, user, writer):
        self.user, self.writer, self.held, self.live = user, writer, None, False

    def send(self, *objects):
        data = b"\n".join(compact(o).encode() for o in objects)
        if len(data) < 126:
            head = bytes([0x81, len(data)])
        elif len(data) < 65536:
            head = bytes([0x81, 126]) + len(data).to_bytes(2, "big")
        else:
            head = bytes([0x81, 127]) + len(data).to_bytes(8, "big")
        self.writer.write(head + data)

    def event(self, event):
        if not self.live or wrong("lose"):
            return
        if wrong("change"):
            event = {**event, "text": event.get("text", "") + "!"}
        if wrong("strip"):
            event = {k: v for k, v in event.items() if k != "metadata"}
        if wrong("unchain"):
            event = {**event, "prev": max(event["prev"] - 1, 0)}
        if self.held:
            held, self.held = self.held, None
            self.send(event, held)
            return
        if wrong("swap"):
            self.held = event
            return
        self.send(event)
        if wrong("double"):
            self.send(event)


def cursor_of():
    return base64.urlsafe_b64encode(str(next_seq - 1).encode()).decode()


def do_sync(sock, req):
    missed = []
    if req.get("cursor"):
        after = int(base64.urlsafe_b64decode(req["cursor"]))
        for conv in conversations.values():
            if sock.user in conv.members:
                missed += [e for e in conv.events if e["seq"] > after]
        if missed and wrong("unrecover"):
            missed = missed[:-1]
        for at in range(0, len(missed), 50):
            sock.send(*missed[at : at + 50])
    sock.live = True
    sock.send(
        {"type": "ok", "id": req["id"], "recovered": True, "events": len(missed), "resets": 0, "cursor": cursor_of()}
    )


def do_send(sock, req):
    conv = conversations.get(req["conversationId"])
    if not conv or sock.user not in conv.members:
        return sock.send({"type": "error", "id": req["id"], "error": {"code": "not_found", "status": 404}})
    if wrong("refuse"):
        return sock.send({"type": "error", "id": req["id"], "error": {"code": "validation", "status": 400}})
    key = (sock.user, req["clientMessageId"])
    known = conv.by_client.get(key)
    if known:
        return sock.send({"type": "ok", "id": req["id"], "seq": known, "duplicate": True})
    event = {
        "type": "message.new",
        "senderId": sock.user,
        "clientMessageId": req["clientMessageId"],
        "kind": req.get("kind", "text"),
        "text": req["text"],
    }
    if "metadata" in req:
        event["metadata"] = req["metadata"]
    global next_seq
    if wrong("forget"):
        seq, next_seq = next_seq, next_seq + 1
    else:
        seq = store(conv, event)["seq"]
        deliver(conv, conv.events[-1])
    if wrong("twice"):
        emit(conv, event)
    if wrong("invent"):
        emit(conv, {**event, "clientMessageId": "nobody-sent-this"})
    conv.by_client[key] = seq
    if wrong("cut"):
        sock.writer.transport.abort()
        return
    sock.send({"type": "ok", "id": req["id"], "seq": seq + (1000000 if wrong("renumber") else 0), "duplicate": False})


def do_membership(sock, req, joins):
    conv = conversations.get(req["conversationId"])
    if not conv:
        return sock.send({"type": "error", "id": req["id"], "error": {"code": "not_found", "status": 404}})
    global next_seq
    answer = {"type": "ok", "id": req["id"]}
    if joins != (sock.user in conv.members):
        answer["seq"] = next_seq
    if "seq" in answer and wrong("unjoin"):
        next_seq += 1
    elif joins and sock.user not in conv.members:
        conv.members[sock.user] = "member"
        emit(conv, {"type": "member.added", "userId": sock.user, "role": "member", "by": sock.user})
    elif not joins and sock.user in conv.members:
        del conv.members[sock.user]
        emit(conv, {"type": "member.removed", "userId": sock.user, "by": sock.user}, [sock.user])
    sock.send(answer)


def handle(sock, req):
    kind = req["type"]
    if kind == "sync":
        do_sync(sock, req)
    elif kind == "message.send":
        do_send(sock, req)
    elif kind in ("conversation.join", "conversation.leave"):
        do_membership(sock, req, kind.endswith("join"))
    elif kind == "ping":
        sock.send({"type": "pong", "id": req["id"], "serverTime": ""})


async def frames(reader):
    while True:
        head = await reader.readexactly(2)
        size = head[1] & 127
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        if not head[1] & 128:
            raise ValueError("unmasked frame from a client")
        mask = await reader.readexactly(4)
        data = await reader.readexactly(size)
        plain = int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        yield head[0] & 15, plain.to_bytes(size, "big")


async def serve_socket(user, headers, reader, writer):
    accept = base64.b64encode(
        hashlib.sha1((headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    ).decode()
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    sock = Socket(user, writer)
    sockets.setdefault(user, []).append(sock)
    sock.send({"type": "hello", "connectionId": str(id(sock)), "userId": user, "cursor": cursor_of()})
    try:
        async for op, data in frames(reader):
            if op == 8:
                break
            if op == 1:
                for line in data.decode().split("\n"):
                    if line:
                        handle(sock, json.loads(line))
    finally:
        sockets[user].remove(sock)


def rest(method, path, query, user, body):
    parts = path.strip("/").split("/")
    if path == "/v1/users:batch":
        return 200, {"users": len(body["users"])}
    if path == "/v1/conversations" and method == "POST":
        cid = body.get("id") or f"d_{len(conversations)}"
        conv = conversations.setdefault(cid, Conversation(cid))
        members = body["memberIds"] + ([user] if body["type"] == "direct" else [])
        emit(conv, {"type": "conversation.created", "conversationType": body["type"]})
        conv.members.update(dict.fromkeys(members, "member"))
        return 201, {"id": cid}
    conv = conversations.get(parts[2]) if len(parts) > 3 else None
    if not conv:
        return 404, {"code": "not_found"}
    if parts[3] == "members:batch":
        for m in body["members"]:
            conv.members[m["userId"]] = m["role"]
            emit(conv, {"type": "member.added", "userId": m["userId"], "role": "member", "by": user})
        return 200, {}
    limit = int(query.get("limit", 50))
    if parts[3] == "events":
        found = [e for e in conv.events if e["seq"] > int(query["after"])][:limit]
        return 200, {"items": [e for e in found if not wrong("log-lose")], "nextCursor": None}
    messages = [e for e in conv.events if e["type"] == "message.new"]
    if "after" in query:
        found = [e for e in messages if e["seq"] > int(query["after"])][:limit]
    else:
        found = [e for e in reversed(messages) if e["seq"] < int(query.get("before", 2**53))][:limit]
    keep = [{k: v for k, v in e.items() if k not in ("type", "prev")} for e in found]
    return 200, {"items": [e for e in keep if not wrong("page-lose")], "nextCursor": None}


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n")[0].split(" ")
            headers = {k.lower(): v for k, v in re.findall(r"\r\n([^:\r\n]+): ([^\r\n]*)", head)}
            user = headers.get("authorization", "").removeprefix("Bearer token-")
            if headers.get("upgrade") == "websocket":
                await serve_socket(user, headers, reader, writer)
                break
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            url = urlsplit(target)
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            status, answer = rest(method, url.path, query, user, json.loads(body or b"null"))
            text = compact(answer).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", opts.port, limit=1 << 22, backlog=4096)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(0)
