#!/usr/bin/env python3
"""test_checker.py - the checker is checked: good histories pass, and each kind of damage, done at many places
of each, is flagged by the rule that it breaks.

Histories: made by model.py from several seeds, and those that real runs left (data/*.jsonl.gz).
CHAOS_MUTATIONS (default 8) is how many places each kind of damage is tried at, in each history.
Ends with `N passed, N failed`.
"""

import copy
import glob
import gzip
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checker import check  # noqa: E402
from model import Model  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TIMES = int(os.environ.get("CHAOS_MUTATIONS", "8"))
MUTATIONS = []


def mutation(*rules):
    """Registers a kind of damage with the rules one of which has to say it."""

    def take(function):
        MUTATIONS.append((function.__name__, set(rules), function))
        return function

    return take


class History:
    """A history that may be bent, and what the mutations ask of it."""

    def __init__(self, records):
        self.records = records

    def of(self, op, test=lambda r: True):
        return [n for n, r in enumerate(self.records) if r["op"] == op and test(r)]

    def bent(self, changes=None, without=(), added=()):
        changes, without = changes or {}, set(without)
        out = [dict(r, **changes[n]) if n in changes else r for n, r in enumerate(self.records) if n not in without]
        return out + list(added)

    def log_of(self, seq, conv):
        return next(n for n in self.of("log") if (self.records[n]["seq"], self.records[n]["conv"]) == (seq, conv))


def pick(rng, some):
    return rng.choice(some) if some else None


def acked_messages(h):
    return h.of("ack", lambda r: r["kind"] == "m")


# ---- I1 ----


@mutation("I1")
def an_acknowledged_message_is_in_neither_stream_nor_store(h, rng):
    r = h.records[pick(rng, acked_messages(h))]
    gone = h.of("log", lambda x: x["seq"] == r["seq"]) + h.of("row", lambda x: x["seq"] == r["seq"])
    return h.bent(without=gone)


@mutation("I1")
def an_acknowledged_message_vanished_everywhere(h, rng):
    """As if it had never been: the chain closes over it, nobody saw it, no page has it."""
    r = h.records[pick(rng, acked_messages(h))]
    gone, changes = [], {}
    before = max(
        (x["seq"] for x in h.records if x["op"] == "log" and x["conv"] == r["conv"] and x["seq"] < r["seq"]), default=0
    )
    for n, x in enumerate(h.records):
        if x["op"] in ("log", "row", "recv") and x["seq"] == r["seq"]:
            gone.append(n)
        elif x["op"] in ("row", "recv") and x["conv"] == r["conv"] and x["prev"] == r["seq"]:
            changes[n] = {"prev": before}
        elif x["op"] == "page" and x["conv"] == r["conv"]:
            changes[n] = {"items": [i for i in x["items"] if i[0] != r["seq"]]}
        elif x["op"] == "events" and x["conv"] == r["conv"]:
            changes[n] = {"items": [[s, before if p == r["seq"] else p, k] for s, p, k in x["items"] if s != r["seq"]]}
    return h.bent(changes, gone)


@mutation("I1", "I3")
def a_page_lacks_a_message(h, rng):
    n = pick(rng, h.of("page", lambda r: r["whole"] and r["items"]))
    items = list(h.records[n]["items"])
    items.pop(rng.randrange(len(items)))
    return h.bent({n: {"items": items}})


@mutation("I1")
def a_page_has_another_text(h, rng):
    n = pick(rng, h.of("page", lambda r: r["whole"] and r["items"]))
    items = copy.deepcopy(h.records[n]["items"])
    rng.choice(items)[3] = "another text"
    return h.bent({n: {"items": items}})


@mutation("I1", "I3")
def a_phantom_in_a_page(h, rng):
    n = pick(rng, h.of("page", lambda r: r["whole"] and r["items"]))
    items = copy.deepcopy(h.records[n]["items"])
    items.append([items[-1][0] + 1, items[-1][1], "phantom", "boo"])
    return h.bent({n: {"items": items}})


@mutation("I1")
def a_phantom_in_the_stream(h, rng):
    n = pick(rng, h.of("log", lambda r: r["kind"] == "m"))
    return h.bent({n: {"id": "never-sent"}})


@mutation("I1")
def a_body_was_changed_in_the_stream(h, rng):
    n = pick(rng, h.of("log", lambda r: r["kind"] in "me"))
    return h.bent({n: {"body": "another"}})


@mutation("I1")
def acknowledged_with_a_seq_that_is_anothers(h, rng):
    n = pick(rng, acked_messages(h))
    return h.bent({n: {"seq": h.records[n]["seq"] + 1}})


@mutation("I1")
def a_good_record_was_dead_lettered(h, rng):
    r = h.records[pick(rng, h.of("log", lambda r: r["kind"] == "m"))]
    return h.bent(added=[{"op": "dead", "stream": "CHAT_0", "seq": r["seq"], "conv": r["conv"], "reason": "refused"}])


@mutation("I1")
def poison_without_a_dead_letter(h, rng):
    n = pick(rng, h.of("dead"))
    return n is not None and h.bent(without=[n])


@mutation("I1")
def a_void_in_the_store_for_a_good_message(h, rng):
    gone = {r["target"] for r in h.records if r["op"] == "log" and r["type"] == "message.withdrawn"}
    n = pick(rng, h.of("row", lambda r: r["kind"] == "m" and r["seq"] not in gone))
    return h.bent({n: {"kind": "void", "sender": None, "id": None, "body": None}})


# ---- I2 ----


@mutation("I2")
def one_send_is_in_the_stream_twice(h, rng):
    r = h.records[pick(rng, h.of("log", lambda r: r["kind"] == "m"))]
    top = max(x["seq"] for x in h.records if x["op"] == "log")
    return h.bent(added=[dict(r, seq=top + 5), dict(r, op="row", prev=None, seq=top + 5)])


@mutation("I2")
def a_doubtful_send_took_effect_twice(h, rng):
    unknown = {(r["conv"], r["id"]) for r in h.records if r["op"] == "unknown"}
    n = pick(rng, h.of("log", lambda r: (r["conv"], r["id"]) in unknown))
    top = max(x["seq"] for x in h.records if x["op"] == "log")
    return n is not None and h.bent(added=[dict(h.records[n], seq=top + 5)])


@mutation("I2")
def an_event_came_twice_on_a_connection(h, rng):
    n = pick(rng, h.of("recv"))
    return h.bent(added=[dict(h.records[n], t=h.records[n]["t"] + 1)])


@mutation("I2")
def two_first_acknowledgements(h, rng):
    n = pick(rng, h.of("ack", lambda r: r["attempt"] > 1 and r["duplicate"]))
    if n is None:
        return False
    r = h.records[n]
    first = [
        dict(x, op="ack", seq=r["seq"], duplicate=False)
        for x in h.records
        if x["op"] == "send" and x["id"] == r["id"] and x["conv"] == r["conv"] and x["attempt"] < r["attempt"]
    ]
    return h.bent({n: {"duplicate": False}}, added=first)


@mutation("I2")
def a_repeat_was_answered_with_another_seq(h, rng):
    n = pick(rng, acked_messages(h))
    r = h.records[n]
    sent = next(x for x in h.records if x["op"] == "send" and x["id"] == r["id"] and x["conv"] == r["conv"])
    again = dict(sent, attempt=9, t=r["t"] + 1)
    return h.bent(added=[again, dict(r, attempt=9, t=r["t"] + 2, seq=r["seq"] + 3, duplicate=True)])


@mutation("I2")
def a_double_was_never_withdrawn(h, rng):
    n = pick(rng, h.of("log", lambda r: r["type"] == "message.withdrawn"))
    if n is None:
        return False
    seq = h.records[n]["seq"]
    return h.bent(without=[n] + h.of("recv", lambda r: r["seq"] == seq) + h.of("row", lambda r: r["seq"] == seq))


def acknowledged_double(h, after_ns):
    """The ack of a withdrawn double, so long after the first send of its message."""
    w = h.records[h.of("log", lambda r: r["type"] == "message.withdrawn")[0]]
    first = h.records[h.of("ack", lambda r: (r["conv"], r["seq"]) == (w["conv"], w["of"]))[0]]
    about = {k: first[k] for k in ("client", "user", "conv", "kind", "id", "attempt")}
    sent = min(h.records[n]["t"] for n in h.of("send", lambda r: r["id"] == first["id"] and r["conv"] == w["conv"]))
    return dict(about, op="ack", t=sent + after_ns, seq=w["target"], duplicate=False)


@mutation("I2")
def a_withdrawn_double_was_acknowledged_within_the_window(h, rng):
    if not h.of("ack", lambda r: r["id"] == "double"):
        return False
    return h.bent({h.of("meta")[0]: {"window_s": 2}}, added=[acknowledged_double(h, 10**9)])


@mutation("I2")
def a_good_message_was_withdrawn(h, rng):
    r = h.records[pick(rng, h.of("log", lambda r: r["kind"] == "m"))]
    top = max(x["seq"] for x in h.records if x["op"] == "log")
    return h.bent(
        added=[dict(r, kind="w", type="message.withdrawn", seq=top + 5, target=r["seq"], of=r["seq"] - 1, id=None)]
    )


@mutation("I2")
def the_store_shows_a_double(h, rng):
    n = pick(rng, h.of("log", lambda r: r["type"] == "message.withdrawn"))
    if n is None:
        return False
    double = h.records[h.log_of(h.records[n]["target"], h.records[n]["conv"])]
    row = h.of("row", lambda r: r["seq"] == double["seq"])[0]
    return h.bent({row: {k: double[k] for k in ("kind", "sender", "id", "body")}})


# ---- I3 ----


@mutation("I3")
def an_event_was_lost_on_a_connection(h, rng):
    lasts = {}
    for n in h.of("recv"):
        lasts.setdefault((h.records[n]["conn"], h.records[n]["conv"]), []).append(n)
    inner = [n for some in lasts.values() for n in some[1:-1] if h.records[n]["type"] != "member.added"]
    n = pick(rng, inner)
    return h.bent(without=[n])


@mutation("I3", "I2")
def two_events_changed_places_on_a_connection(h, rng):
    n = pick(rng, h.of("recv"))
    r = h.records[n]
    later = h.of("recv", lambda x: x["conn"] == r["conn"] and x["conv"] == r["conv"] and x["t"] > r["t"])
    if not later:
        return False
    return h.bent({n: {"t": h.records[later[0]]["t"]}, later[0]: {"t": r["t"]}})


@mutation("I3")
def prev_names_another(h, rng):
    n = pick(rng, h.of("recv", lambda r: r["prev"] > 0))
    return h.bent({n: {"prev": h.records[n]["prev"] - 1}})


@mutation("I3")
def one_observer_saw_another_text(h, rng):
    n = pick(rng, h.of("recv", lambda r: r["type"] == "message.new"))
    return h.bent({n: {"body": "another"}})


@mutation("I3")
def one_observer_saw_another_sender(h, rng):
    n = pick(rng, h.of("recv", lambda r: r["type"] == "message.new"))
    return h.bent({n: {"sender": "somebody"}})


@mutation("I3")
def a_phantom_was_seen_live(h, rng):
    r = h.records[pick(rng, h.of("recv"))]
    return h.bent(added=[dict(r, seq=r["seq"] + (1 << 30), prev=r["seq"], t=r["t"] + 1, conn=r["conn"] + "x")])


@mutation("I3")
def a_good_event_was_shown_as_void(h, rng):
    gone = {r["target"] for r in h.records if r["op"] == "log" and r["type"] == "message.withdrawn"}
    n = pick(rng, h.of("recv", lambda r: r["type"] == "message.new" and r["seq"] not in gone))
    return h.bent({n: {"type": "event.void"}})


@mutation("I3")
def two_records_changed_places_in_the_stream(h, rng):
    """Every observer keeps the old order, the stream has the other."""
    conv = rng.choice(sorted({r["conv"] for r in h.records if r["op"] == "log"}))
    some = h.of("log", lambda r: r["conv"] == conv and r["kind"] == "m")
    if len(some) < 2:
        return False
    some.sort(key=lambda n: h.records[n]["seq"])
    k = rng.randrange(len(some) - 1)
    a, b = some[k], some[k + 1]
    return h.bent({a: {"seq": h.records[b]["seq"]}, b: {"seq": h.records[a]["seq"]}})


@mutation("I3")
def a_seq_was_given_twice(h, rng):
    a, b = rng.sample(h.of("log", lambda r: r["kind"] == "m"), 2)
    return h.bent({b: {"seq": h.records[a]["seq"], "p": h.records[a]["p"]}})


@mutation("I3")
def the_store_lacks_a_row(h, rng):
    return h.bent(without=[pick(rng, h.of("row"))])


@mutation("I3")
def the_store_has_one_more(h, rng):
    r = h.records[pick(rng, h.of("row"))]
    return h.bent(added=[dict(r, seq=r["seq"] + (1 << 30))])


@mutation("I3")
def the_store_has_another_body(h, rng):
    n = pick(rng, h.of("row", lambda r: r["kind"] == "m"))
    return h.bent({n: {"body": "another"}})


@mutation("I3")
def the_stores_chain_is_broken(h, rng):
    n = pick(rng, h.of("row", lambda r: r["prev"]))
    return h.bent({n: {"prev": h.records[n]["prev"] - 1}})


@mutation("I3")
def a_row_is_there_twice(h, rng):
    return h.bent(added=[h.records[pick(rng, h.of("row"))]])


@mutation("I3")
def a_resumed_session_has_a_hole(h, rng):
    """What was missed at the seam of two connections of a session never came."""
    first = {}
    for n in h.of("recv"):
        r = h.records[n]
        first.setdefault((r["session"], r["conv"], r["conn"]), n)
    sessions = {}
    for (session, conv, _), n in first.items():
        sessions.setdefault((session, conv), []).append(n)
    seams = [n for some in sessions.values() for n in some[1:]]
    resumed = {r["conn"] for r in h.records if r["op"] == "open" and r["resumed"]}
    reset = {r["conn"] for r in h.records if r["op"] == "reset"}
    seams = [
        n
        for n in seams
        if h.records[n]["conn"] in resumed - reset
        and h.records[n]["type"] != "member.added"
        and any(
            x["op"] == "recv"
            and x["conn"] == h.records[n]["conn"]
            and x["conv"] == h.records[n]["conv"]
            and x["seq"] > h.records[n]["seq"]
            for x in h.records
        )
    ]
    n = pick(rng, seams)
    if n is None:
        return False
    repeats = h.of("recv", lambda r: r["session"] == h.records[n]["session"] and r["seq"] == h.records[n]["seq"])
    return h.bent(without=repeats)


@mutation("I3")
def the_last_event_never_came(h, rng):
    sessions = {r["session"] for r in h.records if r["op"] == "settled"}
    tops = {}
    for r in h.records:
        if r["op"] == "log":
            tops[r["conv"]] = max(tops.get(r["conv"], 0), r["seq"])
    some = h.of("recv", lambda r: r["session"] in sessions and r["seq"] == tops[r["conv"]])
    n = pick(rng, some)
    r = h.records[n]
    return h.bent(without=h.of("recv", lambda x: x["session"] == r["session"] and x["seq"] == r["seq"]))


@mutation("I3")
def the_raw_log_by_rest_has_a_hole(h, rng):
    n = pick(rng, h.of("events", lambda r: len(r["items"]) > 2))
    items = list(h.records[n]["items"])
    items.pop(rng.randrange(1, len(items)))
    return h.bent({n: {"items": items}})


# ---- I4 ----


@mutation("I4")
def an_acknowledgement_came_before_another_was_sent(h, rng):
    """The later one in the stream is made to have been acknowledged before the earlier one was sent."""
    a = pick(rng, acked_messages(h))
    r = h.records[a]
    earlier = h.of("ack", lambda x: x["kind"] == "m" and x["conv"] == r["conv"] and x["seq"] < r["seq"])
    if not earlier:
        return False
    began = h.records[rng.choice(earlier)]
    start = min(x["t"] for x in h.records if x["op"] == "send" and (x["conv"], x["id"]) == (began["conv"], began["id"]))
    return h.bent({a: {"t": start - 1}})


@mutation("I4")
def a_page_lacks_what_was_acknowledged_before(h, rng):
    n = pick(rng, h.of("page", lambda r: r.get("to_end") and r["items"]))
    if n is None:
        return False
    last = h.records[n]["items"][-1]
    acked = any(r["op"] == "ack" and r["seq"] == last[0] and r["t"] < h.records[n]["t"] for r in h.records)
    return acked and h.bent({n: {"items": h.records[n]["items"][:-1]}})


# ---- I5 ----


@mutation("I5")
def a_refused_send_took_effect(h, rng):
    """Its message is as it was; its answers were all refusals."""
    r = h.records[pick(rng, h.of("ack", lambda r: r["kind"] == "m" and not r["duplicate"] and r["attempt"] == 1))]
    mine = h.of("ack", lambda x: (x["conv"], x["user"], x["id"]) == (r["conv"], r["user"], r["id"]))
    return len(mine) == 1 and h.bent({mine[0]: {"op": "error", "code": "unavailable"}})


@mutation("I5")
def a_retry_was_refused_for_sure_while_the_first_copy_was_stored(h, rng):
    """Doubtful at first, then acknowledged as a repeat: the repeat's answer becomes `unavailable`."""
    n = pick(rng, h.of("ack", lambda r: r["duplicate"] and r["attempt"] == 2 and r["kind"] == "m"))
    if n is None:
        return False
    r = h.records[n]
    mine = h.of("ack", lambda x: (x["conv"], x["user"], x["id"]) == (r["conv"], r["user"], r["id"]))
    later = h.of(
        "send", lambda x: (x["conv"], x["user"], x["id"]) == (r["conv"], r["user"], r["id"]) and x["attempt"] > 2
    )
    return len(mine) == 1 and not later and h.bent({n: {"op": "error", "code": "unavailable"}})


@mutation("I5")
def an_answer_to_nothing(h, rng):
    r = h.records[pick(rng, acked_messages(h))]
    return h.bent(added=[dict(r, attempt=77, duplicate=True)])


# ---- I6 ----


@mutation("I6")
def a_stranger_saw_an_event(h, rng):
    n = pick(rng, h.of("recv"))
    return h.bent({n: {"user": "eve"}})


@mutation("I6")
def a_removed_member_saw_more(h, rng):
    removed = h.of("log", lambda r: r["type"] == "member.removed")
    if not removed:
        return False
    r = h.records[rng.choice(removed)]
    back = [
        x["seq"]
        for x in h.records
        if x["op"] == "log"
        and x["type"] == "member.added"
        and x["member"] == r["member"]
        and x["conv"] == r["conv"]
        and x["seq"] > r["seq"]
    ]
    after = [
        x
        for x in h.records
        if x["op"] == "log" and x["conv"] == r["conv"] and r["seq"] < x["seq"] < min(back, default=1 << 60)
    ]
    if not after:
        return False
    leak = rng.choice(after)
    seen = {k: leak[k] for k in ("conv", "seq", "type", "sender", "id", "body", "target", "member")}
    return h.bent(added=[dict(seen, op="recv", t=10**18, conn="leak", session="leak", user=r["member"], prev=0)])


@mutation("I6")
def a_stranger_got_a_page(h, rng):
    n = pick(rng, h.of("page", lambda r: r["items"]))
    return h.bent({n: {"user": "eve", "whole": False}})


def good_histories():
    for seed in range(1, 4):
        yield f"model {seed}", Model(seed).h.records
    for path in sorted(glob.glob(f"{HERE}/data/*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield os.path.basename(path), [json.loads(line) for line in lines]


def main():
    h = History(Model(4).h.records)
    slipped = h.bent({h.of("meta")[0]: {"window_s": 2}}, added=[acknowledged_double(h, 25 * 10**8)])
    if check(slipped):
        print(f"FAIL  a double that slipped past the window is good, and seen: {check(slipped)[:3]}")
    passed, failed, tried = (
        int(not check(slipped)),
        int(bool(check(slipped))),
        dict.fromkeys((m[0] for m in MUTATIONS), 0),
    )
    for name, records in good_histories():
        found = check(records)
        passed, failed = passed + (not found), failed + bool(found)
        if found:
            print(f"FAIL  {name} is good, and {len(found)} violations are seen: {found[:3]}")
            continue
        h, rng = History(records), random.Random(name)
        for kind, rules, bend in MUTATIONS:
            for _ in range(TIMES):
                bent = bend(h, rng)
                if not bent:
                    continue
                tried[kind] += 1
                seen = {v.rule for v in check(bent)}
                passed, failed = passed + bool(seen & rules), failed + (not seen & rules)
                if not seen & rules:
                    print(f"FAIL  {name}: {kind}: wanted {rules}, seen {seen}")
    for kind in (k for k, n in tried.items() if n == 0):
        failed += 1
        print(f"FAIL  {kind}: no history has a place for it")
    print(f"{len(MUTATIONS)} kinds of damage, {sum(tried.values())} places")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
