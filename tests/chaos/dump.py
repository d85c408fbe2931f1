"""dump.py - what lies in the stream, the store and the dead letters, read without the server's code: the
stream by a NATS client as the operator, the store by SQLite's own library."""

import asyncio
import json
import sqlite3

import nats

from positions import records_left
from sandbox import ip_of


async def operator(topology, node=None):
    urls = [f"nats://{ip_of(node)}:4222"] if node else topology.nats_url.split(",")
    return await nats.connect(
        urls,
        user="operator",
        password=topology.passwords["operator"],
        connect_timeout=3,
        max_reconnect_attempts=3,
        reconnect_time_wait=0.2,
        error_cb=ignore,
        allow_reconnect=True,
    )


async def ignore(_):
    """A reconnect is no news here."""


async def api(nc, subject, request=None, timeout=3):
    reply = await nc.request(f"$JS.API.{subject}", json.dumps(request or {}).encode(), timeout=timeout)
    return json.loads(reply.data)


async def positions(topology):
    """partition → last seq: where a run begins."""
    nc = await operator(topology)
    try:
        return {p: (await api(nc, f"STREAM.INFO.CHAT_{p}"))["state"]["last_seq"] for p in range(topology.partitions)}
    finally:
        await nc.close()


def applied(topology):
    """partition → the seq up to which the store says it has everything."""
    with sqlite3.connect(f"file:{topology.disk('store')}/parley.db?mode=ro", uri=True, timeout=5) as db:
        return dict(db.execute("SELECT partition, max(applied) FROM partitions GROUP BY partition"))


async def wait_answered(topology, seconds):
    """Until no gateway has a command under way: one that its client gave up may be held for 9 s, and be stored then.
    Publishes alone don't tell: a command that reads first, or stands behind such a one, has none yet."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        pages = [
            (await asyncio.to_thread(topology.get, f"http://{ip_of(node)}:9090/metrics"))[1]
            for node in topology.gateway_nodes
        ]
        if all(f"\nchat_{what}_in_flight 0\n".encode() in page for page in pages for what in ("commands", "publishes")):
            return True
        await asyncio.sleep(0.1)
    return False


async def wait_quiet(topology, seconds):
    """Until the store has what the streams have; whether that came, and what is left. Acknowledgements that were
    lost with a leader are not waited for: they only bring a second delivery."""
    end, left = asyncio.get_running_loop().time() + seconds, None
    while asyncio.get_running_loop().time() < end:
        try:
            there, stored = await positions(topology), await asyncio.to_thread(applied, topology)
            left = records_left(there, stored)
            if not left:
                return True, left
        except Exception as error:  # noqa: BLE001 - a cluster that elects: ask again
            left = repr(error)
        await asyncio.sleep(0.15)
    return False, left


async def read_stream(nc, stream, first):
    """Every record from first on, as (subject, seq, headers, bytes)."""
    info = await api(nc, f"STREAM.INFO.{stream}")
    last, records = info["state"]["last_seq"], []
    if last < first or info["state"]["messages"] == 0:
        return records
    inbox, done = nc.new_inbox(), asyncio.get_running_loop().create_future()

    async def take(msg):
        if msg.headers and msg.headers.get("Status"):
            if msg.reply:
                await nc.publish(msg.reply, b"")
            return
        seq = int(msg.reply.split(".")[5])
        records.append((msg.subject, seq, msg.headers or {}, msg.data))
        if seq >= last and not done.done():
            done.set_result(True)

    sub = await nc.subscribe(inbox, cb=take)
    made = await api(
        nc,
        f"CONSUMER.CREATE.{stream}",
        {
            "stream_name": stream,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": first,
                "ack_policy": "none",
                "replay_policy": "instant",
                "inactive_threshold": 10**10,
                "mem_storage": True,
                "num_replicas": 1,
            },
        },
    )
    if "error" in made:
        raise RuntimeError(f"{stream}: {made['error']}")
    await asyncio.wait_for(done, 20)
    await sub.unsubscribe()
    return records


def parse(data):
    try:
        event = json.loads(data)
        return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
    except ValueError:
        return None


def log_record(p, subject, seq, headers, data, logical):
    event, conv = parse(data), subject.split(".")[3]
    if event is None:
        return {"p": p, "seq": seq, "conv": conv, "kind": "?", "type": "?", "sender": None, "id": None, "body": None}
    return {
        "p": p,
        "seq": seq,
        "conv": conv,
        "kind": headers.get("Parley-Op", "m"),
        "type": event["type"],
        "sender": event.get("senderId") or event.get("by"),
        "id": logical(event.get("clientMessageId")) or event.get("operationId"),
        "body": event.get("text"),
        "target": event.get("targetSeq"),
        "of": event.get("of"),
        "member": event.get("userId"),
        "history": event.get("history"),
    }


async def dump_log(topology, history, conversations, since, logical):
    """Notes the records of these conversations and their dead letters; gives the last seq and the members."""
    nc = await operator(topology)
    try:
        last, members = {}, {c: [] for c in conversations}
        for p in range(topology.partitions):
            for subject, seq, headers, data in await read_stream(nc, f"CHAT_{p}", since[p] + 1):
                if subject.split(".")[2] != "c" or subject.split(".")[3] not in conversations:
                    continue
                record = log_record(p, subject, seq, headers, data, logical)
                history.note("log", **record)
                last[record["conv"]] = seq
                follow(members[record["conv"]], record)
        for subject, _, headers, _ in await read_stream(nc, "CHAT_DLQ", 1):
            conv = headers.get("Parley-Dlq-Subject", "...").split(".")[3]
            if conv in conversations:
                history.note(
                    "dead",
                    stream=headers["Parley-Dlq-Stream"],
                    seq=int(headers["Parley-Dlq-Seq"]),
                    conv=conv,
                    reason=headers["Parley-Dlq-Reason"],
                )
        return last, members
    finally:
        await nc.close()


def follow(members, record):
    if record["type"] == "member.added" and record["member"] not in members:
        members.append(record["member"])
    elif record["type"] == "member.removed" and record["member"] in members:
        members.remove(record["member"])


QUERY = """SELECT c.id, e.partition, e.seq, e.prev, e.kind, e.payload FROM events e JOIN conversations c ON c.no = e.conversation"""


def dump_store(topology, history, conversations, logical):
    with sqlite3.connect(f"file:{topology.disk('store')}/parley.db?mode=ro", uri=True, timeout=10) as db:
        broken = [r[0] for r in db.execute("PRAGMA integrity_check") if r[0] != "ok"]
        for conv, p, seq, prev, kind, payload in db.execute(QUERY):
            if conv not in conversations:
                continue
            event = parse(payload) if payload is not None and kind not in ("0", "void") else None
            if event is None or event["type"] == "event.void":
                history.note("row", p=p, seq=seq, prev=prev, conv=conv, kind="void", sender=None, id=None, body=None)
                continue
            history.note(
                "row",
                p=p,
                seq=seq,
                prev=prev,
                conv=conv,
                kind=kind,
                sender=event.get("senderId") or event.get("by"),
                id=logical(event.get("clientMessageId")) or event.get("operationId"),
                body=event.get("text"),
            )
    return broken
