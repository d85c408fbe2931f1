"""history.py - the append-only history of a chaos run: one JSON object a line.

What clients did and saw, and what lay in stream, store and dead letters afterwards. The checker reads
nothing else. `t` is CLOCK_MONOTONIC in nanoseconds of the one machine that everything runs on. A `send`
is noted before its bytes are written, an answer after its bytes were read, so that "a was answered
before b was sent" is never claimed wrongly.

| op      | fields                                                                                     |
|---------|--------------------------------------------------------------------------------------------|
| meta    | seed, faults, started                                                                      |
| send    | t, client, user, conv, kind (m message, e edit, d deletion), id, attempt, body, target     |
| ack     | t, client, user, conv, kind, id, attempt, seq, duplicate                                   |
| error   | the same, code: a definite one                                                             |
| unknown | the same: time-out, or no answer came                                                      |
| open    | t, conn, session, user, resumed: whether the server said that it goes on from the cursor    |
| recv    | t, conn, session, user, conv, seq, prev, type, sender, id, body, target, member            |
| reset   | t, conn, session, user, conv (null: all), last                                             |
| settled | conn, session, user: had time to catch up after the last fault, so it has everything       |
| page    | t (asked), user, conv, items [[seq, sender, id, body]], whole: from the joining to the end |
| events  | t (asked), user, conv, items [[seq, prev, type]], whole                                    |
| injected| conv, what, and sender, id, body where it is a message: by the runner, past the gateways   |
| hung    | t, node, what: a nats-server that had to be killed after its disk was full                 |
| by_hand | t, why: nats-servers restarted one by one, as docs/OPERATIONS says for after a full disk   |
| log     | p, seq, conv, kind, type, sender, id, body, target, of, member, history                    |
| row     | p, seq, prev, conv, kind, sender, id, body: of the store; kind "void" where there's nothing |
| dead    | stream, seq, conv, reason                                                                  |
"""

import json
import time


class History:
    """Notes to memory and, if a path is given, to a file that is only ever added to."""

    def __init__(self, path=None):
        self.records = []
        self.file = open(path, "a", encoding="utf-8", buffering=1 << 16) if path else None

    def note(self, op, **fields):
        record = {"op": op, **fields}
        self.records.append(record)
        if self.file:
            self.file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")

    def close(self):
        if self.file:
            self.file.close()


def now():
    return time.monotonic_ns()


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
