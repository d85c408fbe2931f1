"""talking.py - people who talk while something is being broken, and what must be true of it afterwards.

Each talker has a socket and a room, sends one message after the other and remembers what became of it:
ok with its seq, a definite error, or unknown. Listeners hear on sockets of their own. `check_talk`
compares all of it with the history: every ok is there once and in order, no definite error is, an
unknown one at most once, and every listener saw the same chain.
"""

import os
import signal
import sqlite3
import threading
import time
import uuid

from parley import Client, check, wait_for

ANSWER_S = 25


class Sent:
    """One message and its end."""

    def __init__(self, room, text):
        self.room, self.text, self.id = room, text, uuid.uuid4().hex
        self.began, self.took, self.seq, self.code = time.monotonic(), None, None, None

    def end(self, answer):
        self.took = time.monotonic() - self.began
        if answer is None:
            self.code = "none"
        elif answer["type"] == "ok":
            self.code, self.seq = "ok", answer["seq"]
        else:
            self.code = answer["error"]["code"]


class Talker:
    """Sends into one room until it is told to stop. A socket that goes, or says good-bye, is opened again."""

    def __init__(self, parley, user, room, pause=0.08):
        self.parley, self.user, self.room, self.pause = parley, user, room, pause
        self.sent, self.reconnects, self.is_over = [], 0, False
        self.client = Client(parley, user)
        self.thread = threading.Thread(target=self._talk, daemon=True)
        self.thread.start()

    def _talk(self):
        while not self.is_over:
            if any(o["type"] == "goodbye" for o in self.client.others):
                self._reconnect()  # what was sent is answered; the next goes to another gateway
            one = Sent(self.room, f"{self.user} says {len(self.sent)} {uuid.uuid4().hex[:8]}")
            self.sent.append(one)
            one.end(self._say(one))
            time.sleep(self.pause)

    def _say(self, one):
        """One try of one message; a lost socket is an unknown outcome, and a new socket."""
        try:
            answer = self.client.ask(
                {"type": "message.send", "conversationId": one.room, "text": one.text, "clientMessageId": one.id},
                ANSWER_S,
            )
        except Exception:  # noqa: BLE001 - however the socket went
            answer = None
        if answer is None:
            self._reconnect()
        return answer

    def _reconnect(self):
        while not self.is_over:
            try:
                self.client.close()
                self.client = Client(self.parley, self.user)
                self.reconnects += 1
                return
            except Exception:  # noqa: BLE001 - the server is on its way
                time.sleep(0.2)

    def stop(self):
        self.is_over = True

    def end(self):
        self.thread.join(ANSWER_S + 5)
        self.client.close()


class Talk:
    """A talker in each room, and one listener in all of them on each gateway."""

    def __init__(self, parley, rooms, users, gateways=2, pause=0.08):
        self.parley, self.rooms = parley, rooms
        self.listeners = [parley.client_on(n + 1, users[n % len(users)]) for n in range(gateways)]
        self.talkers = [Talker(parley, users[n % len(users)], room, pause) for n, room in enumerate(rooms)]
        self.errors = []

    def end(self):
        for talker in self.talkers:
            talker.stop()
        for talker in self.talkers:
            talker.end()
        return self

    @property
    def sent(self):
        return [one for talker in self.talkers for one in talker.sent if one.took is not None]

    def codes(self):
        """How often each outcome came."""
        out = {}
        for one in self.sent:
            out[one.code] = out.get(one.code, 0) + 1
        return out

    def took(self, since=0.0, until=float("inf")):
        """The times until an answer of what was begun in that span, sorted."""
        return sorted(one.took for one in self.sent if since <= one.began < until)

    def close(self):
        for listener in self.listeners:
            listener.close()


def percentile(sorted_values, share):
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def faults_of_room(talk, room, page):
    """What is wrong in a room, given its history as one page reader saw it."""
    there, faults = {}, []
    seqs = [m["seq"] for m in page]
    for message in page:
        there.setdefault(message["text"], []).append(message["seq"])
    if seqs != sorted(set(seqs)):
        faults.append("the history isn't in order")
    for one in (x for x in talk.sent if x.room == room):
        found = there.get(one.text, [])
        if one.code == "ok" and found != [one.seq]:
            faults.append(("lost or doubled", one.text, one.seq, found))
        elif one.code in ("timeout", "none") and len(found) > 1:
            faults.append(("unknown, and there twice", one.text, found))
        elif one.code not in ("ok", "timeout", "none") and found:
            faults.append(("refused, and there", one.code, one.text, found))
    return faults


def heard_is_right(listener, room, page):
    """Whether a listener heard of a room what the history has since it began to listen."""
    heard = [(e["seq"], e["text"]) for e in listener.of(room, "message.new")]
    if not heard:
        return not page
    return heard == [(m["seq"], m["text"]) for m in page if m["seq"] >= heard[0][0]]


def check_talk(claim, talk, reader, seconds=20):
    """The end of a talk: everything is compared. Gives the faults."""
    talk.end()
    faults = []
    for room in talk.rooms:
        page = talk.parley.history(reader, room)
        faults += faults_of_room(talk, room, page)
        for listener in talk.listeners:
            if not listener.wait(lambda c, r=room, p=page: heard_is_right(c, r, p), seconds):
                faults.append(
                    ("a listener heard something else", listener.user, room, len(listener.of(room)), len(page))
                )
    for listener in talk.listeners:
        faults += listener.chain_faults()
    check(
        f"{claim}: nothing lost, doubled or out of order, in history and on sockets",
        not faults,
        (len(faults), faults[:4], talk.codes()),
    )
    talk.close()
    return faults


class Watch:
    """Reads the store's `applied` of each partition again and again: when each moved, and whether one fell."""

    def __init__(self, parley, every=0.05):
        self.path, self.every, self.is_over = f"{parley.home}/store/parley.db", every, False
        self.moved, self.fell, self.last = {}, [], {}
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)
        while not self.is_over:
            now = time.monotonic()
            try:
                rows = db.execute("SELECT partition, applied FROM partitions").fetchall()
            except sqlite3.OperationalError:
                rows = []
            for partition, applied in rows:
                before = self.last.get(partition, 0)
                if applied < before:
                    self.fell.append((partition, before, applied))
                if applied > before:
                    self.moved.setdefault(partition, []).append(now)
                self.last[partition] = applied
            time.sleep(self.every)
        db.close()

    def pause_after(self, at, partitions):
        """How long after that moment the last of these partitions went on, in seconds. What is seen in the
        first moments may have been written before it."""
        return max(
            min((t for t in self.moved.get(p, []) if t > at + 4 * self.every), default=float("inf")) - at
            for p in partitions
        )

    def end(self):
        self.is_over = True
        self.thread.join(10)
        return self


def is_stopped(pid):
    """Whether each of its threads stands still: SIGSTOP only begins that."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
            if f.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True


def is_store_free(parley):
    try:
        with sqlite3.connect(f"{parley.home}/store/parley.db", isolation_level=None, timeout=1) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
        return True
    except sqlite3.OperationalError:
        return False


def freeze_outside_commit(parley, name):
    """SIGSTOP, but not in the middle of a commit: who is frozen there holds SQLite's only write lock, and
    then nobody can take over until it wakes or dies (docs/GUARANTEES.md). Gives its pid, and when it began."""
    pid = parley.pid(name)
    for _ in range(100):
        began = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        if wait_for(lambda: is_stopped(pid), 5, 0.002) and is_store_free(parley):
            return pid, began
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
    raise RuntimeError("always in a commit")
