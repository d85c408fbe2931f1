"""model.py - makes a history that keeps every promise, without any server: what test_checker.py bends.

Three conversations (two groups, one with a guest who comes and goes; one channel), six users with two
connections each, sends that are acknowledged, repeated, doubtful or refused, edits, deletions, a double
that was withdrawn, a poisoned record, a resumed session and one that was reset.
"""

import random

from history import History

BASE = 1 << 40


class Model:
    def __init__(self, seed, steps=160):
        self.rng, self.h = random.Random(seed), History()
        self.t, self.seq = 1000, BASE
        self.log = {"g1": [], "g2": [], "ch": []}
        self.members = {c: {} for c in self.log}  # user → joined
        self.conns = {}
        self.made = {}
        self.h.note("meta", seed=seed, faults=[], partitions=4)
        self.begin()
        for _ in range(steps):
            self.rng.choice(
                [self.send] * 8
                + [self.doubtful, self.refused, self.edit, self.delete, self.guest, self.reconnect, self.page]
            )()
        self.double()
        self.poisoned()
        self.send()
        self.end()

    def tick(self):
        self.t += self.rng.randrange(1, 50)
        return self.t

    def begin(self):
        for conv in self.log:
            self.append(conv, "c", "conversation.created", "u0", "make", history="all" if conv == "ch" else "joined")
            for n in range(5):
                self.add(conv, f"u{n}")
        for n in range(6):
            for k in "ab":
                self.connect(f"u{n}{k}", f"u{n}", resumed=True)

    def connect(self, session, user, resumed):
        conn = f"{session}#{self.tick()}"
        self.conns[session] = conn
        self.h.note("open", t=self.t, conn=conn, session=session, user=user, resumed=resumed)

    def append(self, conv, kind, type_, sender, id_, body=None, target=None, of=None, member=None, history=None):
        self.seq += self.rng.choice([1, 1, 1, 2])
        record = dict(
            p=len(conv) % 4,
            seq=self.seq,
            conv=conv,
            kind=kind,
            type=type_,
            sender=sender,
            id=id_,
            body=body,
            target=target,
            of=of,
            member=member,
            history=history,
        )
        record["prev"] = self.log[conv][-1]["seq"] if self.log[conv] else 0
        self.log[conv].append(record)
        self.show(record, [u for u in self.members[conv]])
        return record

    def show(self, record, users):
        type_ = "event.void" if record["kind"] == "?" else record["type"]
        for session, conn in self.conns.items():
            if session[:-1] in users:
                self.h.note(
                    "recv",
                    t=self.tick(),
                    conn=conn,
                    session=session,
                    user=session[:-1],
                    conv=record["conv"],
                    seq=record["seq"],
                    prev=record["prev"],
                    type=type_,
                    sender=record["sender"],
                    id=record["id"],
                    body=record["body"],
                    target=record["target"],
                    member=record["member"],
                )

    def add(self, conv, user):
        self.members[conv][user] = self.seq + 1
        joined = self.append(conv, "a", "member.added", "u0", f"add-{self.seq}", member=user)
        self.members[conv][user] = joined["seq"]

    def guest(self):
        if "u5" not in self.members["g2"]:
            self.add("g2", "u5")
        else:
            self.append("g2", "l", "member.removed", "u0", f"del-{self.seq}", member="u5")
            del self.members["g2"]["u5"]

    def pick(self):
        conv = self.rng.choice(list(self.log))
        return conv, self.rng.choice([u for u in self.members[conv] if u != "u5"])

    def ask(self, conv, user, kind, id_, body, target=None, attempt=1):
        about = dict(client=user + "a", user=user, conv=conv, kind=kind, id=id_, attempt=attempt)
        self.h.note("send", t=self.tick(), body=body, target=target, **about)
        return about

    def send(self):
        conv, user = self.pick()
        id_, body = f"id{self.tick()}", f"text {self.rng.random()}"
        about = self.ask(conv, user, "m", id_, body)
        record = self.append(conv, "m", "message.new", user, id_, body)
        self.made.setdefault(conv, []).append(record)
        if self.rng.random() < 0.2:
            self.h.note("unknown", t=self.tick(), **about)
            about = self.ask(conv, user, "m", id_, body, attempt=2)
            self.h.note("ack", t=self.tick(), seq=record["seq"], duplicate=True, **about)
        else:
            self.h.note("ack", t=self.tick(), seq=record["seq"], duplicate=False, **about)

    def doubtful(self):
        conv, user = self.pick()
        about = self.ask(conv, user, "m", f"id{self.tick()}", "doubt")
        if self.rng.random() < 0.5:
            self.append(conv, "m", "message.new", user, about["id"], "doubt")
        self.h.note("unknown", t=self.tick(), **about)

    def refused(self):
        conv, user = self.pick()
        about = self.ask(conv, user, "m", f"id{self.tick()}", f"refused {self.t}")
        self.h.note("error", t=self.tick(), code="unavailable", **about)

    def change(self, kind, type_, body):
        mine = [m for c in self.made for m in self.made[c]]
        if not mine:
            return
        target = self.rng.choice(mine)
        about = self.ask(target["conv"], target["sender"], kind, f"op{self.tick()}", body, target["seq"])
        record = self.append(target["conv"], kind, type_, target["sender"], about["id"], body, target["seq"])
        self.h.note("ack", t=self.tick(), seq=record["seq"], duplicate=False, **about)

    def edit(self):
        self.change("e", "message.edited", f"edited {self.tick()}")

    def delete(self):
        if self.rng.random() < 0.3:
            self.change("d", "message.deleted", None)

    def double(self):
        conv, user = "g1", "u1"
        about = self.ask(conv, user, "m", "double", "double")
        first = self.append(conv, "m", "message.new", user, "double", "double")
        self.h.note("ack", t=self.tick(), seq=first["seq"], duplicate=False, **about)
        second = self.append(conv, "m", "message.new", user, "double", "double")
        self.append(conv, "w", "message.withdrawn", None, None, target=second["seq"], of=first["seq"])

    def poisoned(self):
        record = self.append("g2", "?", "?", None, None)
        self.h.note("injected", conv="g2", what="garbage")
        self.h.note("dead", stream="CHAT_2", seq=record["seq"], conv="g2", reason="unparseable")

    def reconnect(self):
        session = self.rng.choice([s for s in self.conns if s[:-1] != "u5"])
        user, is_reset = session[:-1], self.rng.random() < 0.3
        seen = {r["conv"]: r["seq"] for r in self.h.records if r["op"] == "recv" and r["session"] == session}
        del self.conns[session]
        for _ in range(2):
            self.send()
        self.connect(session, user, resumed=not is_reset)
        if is_reset:
            self.h.note(
                "reset", t=self.tick(), conn=self.conns[session], session=session, user=user, conv=None, last=self.seq
            )
            return
        kept, self.conns = self.conns, {session: self.conns[session]}
        for conv, rows in self.log.items():
            for r in rows:
                if user in self.members[conv] and r["seq"] > max(seen.get(conv, 0), self.members[conv][user] - 1):
                    self.show(r, [user])
        self.conns = kept

    def shown(self, conv, joined):
        rows = {}
        gone = {r["target"] for r in self.log[conv] if r["kind"] == "w"}
        for r in self.log[conv]:
            if r["kind"] == "m" and r["seq"] not in gone and r["seq"] >= joined:
                rows[r["seq"]] = [r["seq"], r["sender"], r["id"], r["body"]]
            elif r["kind"] in "ed" and r["target"] in rows and rows[r["target"]][3] is not None:
                rows[r["target"]][3] = r["body"]
        return list(rows.values())

    def page(self):
        conv, user = self.pick()
        joined = 0 if conv == "ch" else self.members[conv][user]
        self.h.note(
            "page", t=self.tick(), user=user, conv=conv, items=self.shown(conv, joined)[-20:], whole=False, to_end=True
        )

    def end(self):
        for session, conn in self.conns.items():
            self.h.note("settled", conn=conn, session=session, user=session[:-1])
        for conv, rows in self.log.items():
            gone = {r["target"] for r in rows if r["kind"] == "w"}
            for user, joined in self.members[conv].items():
                joined = 0 if conv == "ch" else joined
                self.h.note("page", t=self.tick(), user=user, conv=conv, items=self.shown(conv, joined), whole=True)
                raw = [
                    [r["seq"], r["prev"], "event.void" if r["kind"] == "?" else r["type"]]
                    for r in rows
                    if r["seq"] >= joined
                ]
                self.h.note("events", t=self.tick(), user=user, conv=conv, items=raw, whole=True)
            for r in rows:
                is_void = r["kind"] == "?" or r["seq"] in gone
                kept = (
                    dict(kind="void", sender=None, id=None, body=None)
                    if is_void
                    else {k: r[k] for k in ("kind", "sender", "id", "body")}
                )
                self.h.note("row", p=r["p"], seq=r["seq"], prev=r["prev"], conv=conv, **kept)
                self.h.note("log", **{k: v for k, v in r.items() if k != "prev"})
