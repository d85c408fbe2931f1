"""checker.py - decides over a history (history.py) whether a promise was broken.

Shares no code with the server, nor with the workload: it knows the public words of the protocol and
the history's format only. Everything is sorted or hashed once: O(n log n) in the records.

| rule | what it says |
|------|--------------|
| I1 | what was acknowledged is in the stream, the store and every whole page, once, with that seq and body; |
|    | what is there was sent by somebody |
| I2 | one (conversation, sender, kind, id) has one seq; a second one must have been withdrawn, live and in history |
| I3 | on a connection seqs of a conversation rise, `prev` chains, no event is missing between two; a resumed |
|    | session has no hole; who had time to catch up has the last one; all see the stream's bodies; the store has |
|    | a row for each record of the stream, with its predecessor, and no other |
| I4 | if a was acknowledged before b was first sent, then seq(a) < seq(b); a page asked for after that has a |
| I5 | what got nothing but definite errors is nowhere; nor is what was told so last, by an answer that must be |
|    | `timeout` while an earlier attempt is open (unavailable, storage_full) |
| I6 | nobody sees an event from outside the time of their membership |

`check(records)` gives a list of Violation; none is good.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict, namedtuple
from itertools import pairwise

Violation = namedtuple("Violation", "rule what where")

# Events that a client may be shown as a void instead (poison, doubles).
VOID = "event.void"
MESSAGE, EDITED, DELETED = "message.new", "message.edited", "message.deleted"
# Of a retry these would be claims about the earlier attempts too.
SURE = {"unavailable", "storage_full"}
CONTENT = {"m": MESSAGE, "e": EDITED, "d": DELETED}


class Facts:
    """The history, sorted into what each rule asks for."""

    def __init__(self, records):
        self.by_op = defaultdict(list)
        for record in records:
            self.by_op[record["op"]].append(record)
        self.meta = (self.by_op["meta"] or [{}])[0]
        self.log = defaultdict(list)
        for record in self.by_op["log"]:
            self.log[record["conv"]].append(record)
        for rows in self.log.values():
            rows.sort(key=lambda r: r["seq"])
        self.at = {(r["conv"], r["seq"]): r for r in self.by_op["log"]}
        self.before = {}
        for conv, rows in self.log.items():
            last = 0
            for row in rows:
                self.before[conv, row["seq"]] = last
                last = row["seq"]
        self.withdrawn = {
            (r["conv"], r["target"]): r["of"] for r in self.by_op["log"] if r["type"] == "message.withdrawn"
        }
        self.dead = {(r["conv"], r["seq"]) for r in self.by_op["dead"]}
        self.injected = {(r["conv"], r["sender"], "m", r["id"]): r for r in self.by_op["injected"] if r.get("id")}
        self.poison = {(r["conv"], r["seq"]) for r in self.by_op["log"] if r["kind"] == "?"}
        self.intervals = self._intervals()
        self.place = {conv: {r["seq"]: n for n, r in enumerate(rows)} for conv, rows in self.log.items()}

    def _intervals(self):
        """(conversation, user) → [[joined, removed or None], …]; everything for `history: all`."""
        found, opened, public = defaultdict(list), {}, set()
        for conv, rows in self.log.items():
            for row in rows:
                who = (conv, row.get("member"))
                if row["type"] == "conversation.created" and row.get("history") == "all":
                    public.add(conv)
                elif row["type"] == "member.added" and who not in opened:
                    opened[who] = [row["seq"], None]
                    found[who].append(opened[who])
                elif row["type"] == "member.removed" and who in opened:
                    opened.pop(who)[1] = row["seq"]
        self.public = public
        self.current = {who: interval[0] for who, interval in opened.items()}
        return found

    def may_see(self, conv, user, seq):
        if conv in self.public:
            return (conv, user) in self.intervals
        return any(a <= seq and (b is None or seq <= b) for a, b in self.intervals.get((conv, user), ()))

    def is_void(self, conv, seq):
        """Whether a void may stand in the place of this record."""
        return (conv, seq) in self.withdrawn or (conv, seq) in self.poison


def key_of(record):
    return record["conv"], record["user"], record["kind"], record["id"]


class Sends:
    """Each send, with all its attempts taken together."""

    def __init__(self, facts):
        self.first, self.acks, self.bodies = {}, defaultdict(list), defaultdict(dict)
        self.last = {}  # key → (attempt, code of its definite error or None)
        attempts = {}
        for r in facts.by_op["send"]:
            key = key_of(r)
            self.first[key] = min(r["t"], self.first.get(key, r["t"]))
            attempts[key, r["attempt"]] = r
            self.last[key] = max(self.last.get(key, (0, None)), (r["attempt"], None))
            self.bodies[key].setdefault((r["body"], r.get("target")), {"refused": 0, "sent": 0, "acked": False})[
                "sent"
            ] += 1
        self.unasked = []
        for op in ("ack", "error"):
            for r in facts.by_op[op]:
                sent = attempts.get((key_of(r), r["attempt"]))
                if sent is None:
                    self.unasked.append(r)
                    continue
                about = self.bodies[key_of(r)][sent["body"], sent.get("target")]
                if op == "ack":
                    about["acked"] = True
                    if not self.has_slipped(facts, r):
                        self.acks[key_of(r)].append(r)
                else:
                    about["refused"] += 1
                    if self.last[key_of(r)][0] == r["attempt"]:
                        self.last[key_of(r)] = (r["attempt"], r["code"])

    def has_slipped(self, facts, ack):
        """An attempt that lay in a frozen gateway until JetStream's window was over, while a later one was stored
        by another: it is stored, withdrawn for everybody, and its own answer names the double. Only where the run
        has a window as short as that (docs/GUARANTEES.md, "Exactly once")."""
        window_s = facts.meta.get("window_s")
        is_double = (ack["conv"], ack["seq"]) in facts.withdrawn
        return bool(window_s) and is_double and ack["t"] - self.first[key_of(ack)] > window_s * 10**9


def check(records):
    facts = Facts(records)
    sends = Sends(facts)
    found = []

    def say(rule, what, *where):
        found.append(Violation(rule, what, where))

    for rule in (
        check_log,
        check_acknowledged,
        check_origin,
        check_once,
        check_store,
        check_connections,
        check_sessions,
        check_settled,
        check_pages,
        check_events,
        check_real_time,
        check_read_your_ack,
        check_dead,
    ):
        rule(facts, sends, say)
    return found


def summary(records):
    """Numbers for people."""
    count = defaultdict(int)
    for record in records:
        count[record["op"]] += 1
    return dict(count)


# ---- the stream ----


def check_log(facts, sends, say):
    """seqs are used once in a partition, and a conversation's records are in one partition."""
    seen, home = {}, {}
    for r in facts.by_op["log"]:
        if (r["p"], r["seq"]) in seen:
            say("I3", "the stream has a seq twice", r["p"], r["seq"])
        seen[r["p"], r["seq"]] = True
        if home.setdefault(r["conv"], r["p"]) != r["p"]:
            say("I3", "a conversation lies in two partitions", r["conv"])
    for (conv, double), first in facts.withdrawn.items():
        a, b = facts.at.get((conv, first)), facts.at.get((conv, double))
        if not a or not b or (a["sender"], a["id"]) != (b["sender"], b["id"]) or first >= double:
            say("I2", "withdrawn, but no double", conv, double, first)


def in_log(facts, key):
    """The records of one send that count: without withdrawn doubles."""
    return [r for r in facts.sent.get(key, ()) if (r["conv"], r["seq"]) not in facts.withdrawn]


def group_log(facts):
    facts.sent = defaultdict(list)
    for r in facts.by_op["log"]:
        if r["kind"] in CONTENT:
            facts.sent[r["conv"], r["sender"], r["kind"], r["id"]].append(r)


def check_acknowledged(facts, sends, say):
    """I1 in the stream; and an answer belongs to a request."""
    group_log(facts)
    for r in sends.unasked:
        say("I5", "an answer to what wasn't asked", key_of(r), r["attempt"])
    facts.happened_before = set()
    for key, acks in sends.acks.items():
        seqs = {a["seq"] for a in acks}
        if len(seqs) != 1:
            say("I2", "acknowledged with several seqs", key, sorted(seqs))
        if is_second_deletion(facts, sends, key, acks):
            facts.happened_before.add(key)
            continue
        there = {r["seq"]: r for r in in_log(facts, key)}
        for seq in seqs:
            if seq not in there:
                say("I1", "acknowledged, and not in the stream at that seq", key, seq)
        firsts = [a for a in acks if not a["duplicate"]]
        if len(firsts) > 1:
            say("I2", "acknowledged as new twice", key, [a["attempt"] for a in firsts])


def is_second_deletion(facts, sends, key, acks):
    """Deleting what is deleted is answered with the first deletion: same message, another operation's seq."""
    if key[2] != "d" or not all(a["duplicate"] for a in acks):
        return False
    targets = {target for _, target in sends.bodies[key]}
    there = [facts.at.get((key[0], a["seq"])) for a in acks]
    return all(r and r["kind"] == "d" and r["target"] in targets for r in there)


def check_origin(facts, sends, say):
    """I5 and phantoms: each record was sent, with that body, and not only refused."""
    for key, rows in facts.sent.items():
        for r in rows:
            by_hand = facts.injected.get(key)
            if by_hand and by_hand["body"] == r["body"]:
                continue
            about = sends.bodies.get(key, {}).get((r["body"], r.get("target")))
            if about is None:
                say("I1", "in the stream, but nobody sent it so", key, r["seq"])
            elif not about["acked"] and about["refused"] == about["sent"]:
                say("I5", "refused each time, and in the stream all the same", key, r["seq"])
            elif not about["acked"] and sends.last[key][1] in SURE:
                say("I5", "refused for sure at last, and in the stream by an earlier attempt", key, r["seq"])
    for key, bodies in sends.bodies.items():
        if key in facts.happened_before:
            continue
        for (body, target), about in bodies.items():
            if about["acked"] and not any((r["body"], r.get("target")) == (body, target) for r in in_log(facts, key)):
                say("I1", "acknowledged, and the stream has another body", key)


def check_once(facts, sends, say):
    """I2 in the stream: a second record of one send is withdrawn."""
    for key, rows in facts.sent.items():
        if len(in_log(facts, key)) > 1:
            say("I2", "twice in the stream and not withdrawn", key, [r["seq"] for r in rows])


# ---- the store ----


def check_store(facts, sends, say):
    rows = defaultdict(list)
    for r in facts.by_op["row"]:
        rows[r["conv"], r["seq"]].append(r)
    for where, r in facts.at.items():
        if where not in rows:
            say("I3", "in the stream, not in the store", where)
            continue
        for row in rows[where]:
            check_row(facts, r, row, say)
    for where, there in rows.items():
        if len(there) > 1:
            say("I3", "twice in the store", where)
        if where not in facts.at:
            say("I3", "in the store, not in the stream", where)


def check_row(facts, r, row, say):
    where = (r["conv"], r["seq"])
    if row["prev"] is not None and row["prev"] != facts.before[where]:
        say("I3", "the store's prev is another", where, row["prev"], facts.before[where])
    if row["kind"] == "void":
        if not facts.is_void(*where):
            say("I1", "a void in the store for what was neither poison nor a double", where)
        return
    if facts.is_void(*where):
        say("I2", "the store shows what is poison or a double", where)
    elif row["p"] != r["p"] or any(row.get(f) != r.get(f) for f in ("kind", "sender", "id", "body")):
        say("I3", "the store's row is another than the stream's", where)


# ---- what clients saw ----


def same_event(facts, seen):
    """Whether what somebody saw is what the stream has; a void may stand for it where that's allowed."""
    r = facts.at.get((seen["conv"], seen["seq"]))
    if r is None:
        return False
    if seen["type"] == VOID:
        return facts.is_void(seen["conv"], seen["seq"])
    if seen["type"] != r["type"]:
        return False
    if (seen.get("member"), seen.get("target")) != (r.get("member"), r.get("target")):
        return False
    if r["kind"] in CONTENT and (seen["sender"], seen["body"]) != (r["sender"], r["body"]):
        return False
    return r["kind"] != "m" or seen["id"] == r["id"]


def by(records, *fields):
    groups = defaultdict(list)
    for r in records:
        groups[tuple(r[f] for f in fields)].append(r)
    return groups


def check_connections(facts, sends, say):
    """I3, I6 on each connection, in the order of arrival."""
    things = sorted(facts.by_op["recv"] + facts.by_op["reset"], key=lambda r: r["t"])
    last, messages = {}, {}
    for r in things:
        if r["op"] == "reset":
            for where in [w for w in last if w[0] == r["conn"] and r["conv"] in (None, w[1])]:
                last[where] = (max(last[where][0], r["last"] or 0), True)
            continue
        where = (r["conn"], r["conv"])
        before, was_reset = last.get(where, (None, False))
        last[where] = (r["seq"], False)
        check_arrival(facts, r, before, was_reset, say)
        if r["type"] == MESSAGE:
            check_live_double(facts, messages, r, say)


def check_arrival(facts, r, before, was_reset, say):
    here = (r["conv"], r["seq"])
    if not same_event(facts, r):
        say("I3", "seen live, and the stream has another or nothing there", r["conn"], here, r["type"])
    if not facts.may_see(r["conv"], r["user"], r["seq"]):
        say("I6", "seen by who was no member", r["user"], here)
    if before is not None and r["seq"] <= before:
        say("I3" if r["seq"] < before else "I2", "seqs don't rise on a connection", r["conn"], here, before)
    expected = facts.before.get(here)
    if r["prev"] != expected:
        say("I3", "prev is not the seq of the one before", r["conn"], here, r["prev"], expected)
    elif before is not None and not was_reset and r["seq"] > before != expected and before != removal_before(facts, r):
        say("I3", "events are missing on a connection", r["conn"], here, before, expected)


def removal_before(facts, r):
    """Where an event opens an interval: the removal that closed the one before it. Between the two others spoke."""
    intervals = facts.intervals.get((r["conv"], r["user"]), [])
    for (_, removed), (joined, _) in pairwise(intervals):
        if joined == r["seq"]:
            return removed
    return None


def check_live_double(facts, messages, r, say):
    key = (r["conn"], r["conv"], r["sender"], r["id"])
    first = messages.setdefault(key, r["seq"])
    if first != r["seq"] and facts.withdrawn.get((r["conv"], max(first, r["seq"]))) != min(first, r["seq"]):
        say("I2", "seen twice on a connection and never withdrawn", key, first, r["seq"])


def check_sessions(facts, sends, say):
    """I3 over reconnects: a session that was resumed has no hole in what it saw of a conversation.

    A reset, or a connection that didn't go on from the cursor, begins anew."""
    fresh = defaultdict(list)  # session → times at which it began anew for a conversation (None: all)
    for r in facts.by_op["open"]:
        if not r["resumed"]:
            fresh[r["session"]].append((r["t"], None))
    for r in facts.by_op["reset"]:
        fresh[r["session"]].append((r["t"], r["conv"]))
    for (session, conv), seen in by(facts.by_op["recv"], "session", "conv").items():
        cuts = sorted(t for t, of in fresh[session] if of in (None, conv))
        for part in split_at(sorted(seen, key=lambda r: r["t"]), cuts):
            check_run(facts, session, conv, part, say)


def split_at(seen, cuts):
    parts, at = [[]], 0
    for r in seen:
        while at < len(cuts) and cuts[at] <= r["t"]:
            at += 1
            if parts[-1]:
                parts.append([])
        parts[-1].append(r)
    return [p for p in parts if p]


def check_run(facts, session, conv, seen, say):
    """Whoever was away while they were removed and taken in again gets the present interval only."""
    places, user = facts.place.get(conv, {}), seen[0]["user"]
    by_place = {places[r["seq"]]: r for r in seen if r["seq"] in places}
    for a, b in pairwise(sorted(by_place)):
        if b == a + 1:
            continue
        missed = [facts.log[conv][n]["seq"] for n in range(a + 1, b)]
        lost = [seq for seq in missed if facts.may_see(conv, user, seq)]
        if by_place[a]["conn"] != by_place[b]["conn"]:
            lost = [seq for seq in lost if seq >= interval_of(facts, conv, user, by_place[b]["seq"])]
        if lost:
            say("I3", "a session never saw events between two that it saw", session, conv, lost[:3], len(lost))


def interval_of(facts, conv, user, seq):
    """Where the interval begins that this seq lies in; 0 where all may be read."""
    if conv in facts.public:
        return 0
    return max((a for a, b in facts.intervals.get((conv, user), ()) if a <= seq and (b is None or seq <= b)), default=0)


def check_settled(facts, sends, say):
    """Who was connected to the end, with time to catch up, has the last event they may see."""
    seen = defaultdict(int)
    for r in facts.by_op["recv"]:
        where = (r["session"], r["conv"])
        seen[where] = max(seen[where], r["seq"])
    for r in facts.by_op["reset"]:
        for where in [w for w in seen if w[0] == r["session"] and r["conv"] in (None, w[1])]:
            seen[where] = max(seen[where], r["last"] or 0)
    for s in facts.by_op["settled"]:
        for conv in facts.log:
            if (conv, s["user"]) not in facts.current or s.get("since", 0) > facts.log[conv][-1]["seq"]:
                continue
            if seen[s["session"], conv] < facts.log[conv][-1]["seq"]:
                say("I3", "a session never saw the last events", s["session"], conv, seen[s["session"], conv])


# ---- pages ----


def expected_pages(facts):
    """conversation → [(seq, sender, id, body)]: the messages as they are after all edits and deletions."""
    pages = {}
    for conv, rows in facts.log.items():
        messages = {}
        for r in rows:
            where = facts.withdrawn.get((conv, r.get("target")), r.get("target"))
            if r["kind"] == "m" and (conv, r["seq"]) not in facts.withdrawn:
                messages[r["seq"]] = [r["seq"], r["sender"], r["id"], r["body"]]
            elif r["kind"] == "e" and where in messages and messages[where][3] is not None:
                messages[where][3] = r["body"]
            elif r["kind"] == "d" and where in messages:
                messages[where][3] = None
        pages[conv] = list(messages.values())
    return pages


def check_pages(facts, sends, say):
    expected = expected_pages(facts)
    for page in facts.by_op["page"]:
        conv, user = page["conv"], page["user"]
        seqs = [item[0] for item in page["items"]]
        if any(b <= a for a, b in pairwise(seqs)):
            say("I3", "a page is out of order", user, conv)
        for item in page["items"]:
            if not facts.may_see(conv, user, item[0]):
                say("I6", "a page shows what lies outside the membership", user, conv, item[0])
            r = facts.at.get((conv, item[0]))
            if not r or (r["sender"], r["id"]) != (item[1], item[2]):
                say("I1", "a page shows what the stream doesn't have", user, conv, item[0])
        check_page_run(facts, page, [m[0] for m in expected.get(conv, ())], seqs, say)
        if page["whole"] and (conv, user) in facts.current:
            joined = 0 if conv in facts.public else facts.current[conv, user]
            wanted = [m for m in expected.get(conv, ()) if m[0] >= joined]
            if [list(i) for i in page["items"]] != wanted:
                say(
                    "I1",
                    "a whole page isn't what the stream gives",
                    user,
                    conv,
                    first_difference(page["items"], wanted),
                )


def check_page_run(facts, page, messages, seqs, say):
    """Between the first and the last message of a page none is missing that its reader may see."""
    if seqs:
        shown = set(seqs)
        for seq in messages[bisect_left(messages, seqs[0]) : bisect_right(messages, seqs[-1])]:
            if seq not in shown and facts.may_see(page["conv"], page["user"], seq):
                say("I3", "a page has a hole", page["user"], page["conv"], seq)


def first_difference(found, wanted):
    for a, b in zip(found, wanted):
        if list(a) != list(b):
            return [a, b]
    return [len(found), len(wanted)]


def check_events(facts, sends, say):
    for page in facts.by_op["events"]:
        conv, user = page["conv"], page["user"]
        for seq, prev, kind in page["items"]:
            r = facts.at.get((conv, seq))
            is_good = r and (kind == r["type"] or (kind == VOID and facts.is_void(conv, seq)))
            if not is_good or prev != facts.before.get((conv, seq)):
                say("I3", "the raw log by REST isn't the stream", user, conv, seq)
            if not facts.may_see(conv, user, seq):
                say("I6", "the raw log shows what lies outside the membership", user, conv, seq)
        if page["whole"] and (conv, user) in facts.current:
            joined = 0 if conv in facts.public else facts.current[conv, user]
            wanted = [r["seq"] for r in facts.log[conv] if r["seq"] >= joined]
            if [i[0] for i in page["items"]] != wanted:
                say("I3", "the raw log by REST has a hole or more than the stream", user, conv)


# ---- time ----


def check_real_time(facts, sends, say):
    """I4 by one sweep: at each first send, no seq acknowledged before it is as high as its own."""
    steps = defaultdict(list)
    for key, acks in sends.acks.items():
        ack = min(acks, key=lambda a: a["t"])
        steps[key[0]].append((ack["t"], 1, ack["seq"], key))
    for key, began in sends.first.items():
        for r in in_log(facts, key):
            steps[key[0]].append((began, 0, r["seq"], key))
    for conv, sweep in steps.items():
        highest, whose = 0, None
        for _, is_ack, seq, key in sorted(sweep, key=lambda s: (s[0], s[1])):
            if is_ack and seq > highest:
                highest, whose = seq, key
            elif not is_ack and seq <= highest and whose != key:
                say(
                    "I4",
                    "acknowledged before the other was sent, and after it in the stream",
                    whose,
                    highest,
                    key,
                    seq,
                )


def check_read_your_ack(facts, sends, say):
    """A page up to the end, asked for after an acknowledgement, has the message. Not judged where the run's
    faults let an isolated leader answer reads (meta: stale_reads)."""
    if facts.meta.get("stale_reads"):
        return
    acked = defaultdict(list)
    for key, acks in sends.acks.items():
        if key[2] == "m":
            ack = min(acks, key=lambda a: a["t"])
            acked[key[0]].append((ack["t"], ack["seq"]))
    highest = {}
    for conv, acks in acked.items():
        acks.sort()
        top, rising = 0, []
        for t, seq in acks:
            top = max(top, seq)
            rising.append((t, top))
        highest[conv] = rising
    for page in facts.by_op["page"]:
        if page.get("to_end"):
            wanted = highest_before(highest.get(page["conv"], []), page["t"])
            shown = max((i[0] for i in page["items"]), default=0)
            if wanted > shown and facts.may_see(page["conv"], page["user"], wanted):
                say(
                    "I4",
                    "a page asked for after an acknowledgement lacks the message",
                    page["user"],
                    page["conv"],
                    wanted,
                )


def highest_before(rising, t):
    low, high = 0, len(rising)
    while low < high:
        middle = (low + high) // 2
        if rising[middle][0] < t:
            low = middle + 1
        else:
            high = middle
    return rising[low - 1][1] if low else 0


def check_dead(facts, sends, say):
    """Only poison is dead-lettered, and all of it is."""
    for where in facts.dead:
        if where not in facts.poison:
            say("I1", "dead-lettered, though it was good", where)
    for where in facts.poison - facts.dead:
        say("I1", "poison without a dead letter", where)
    letters = [(r["stream"], r["seq"], r["reason"]) for r in facts.by_op["dead"]]
    if len(letters) != len(set(letters)) and not facts.meta.get("dead_twice"):
        say("I2", "dead-lettered twice", [x for x in letters if letters.count(x) > 1][:3])
