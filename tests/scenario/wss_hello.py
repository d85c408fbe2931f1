#!/usr/bin/env python3
"""Sends one message over WSS and prints what comes until it has its answer and the message itself.

wss_hello.py URL CA-FILE TOKEN CONVERSATION TEXT
"""

import json
import ssl
import sys
import uuid

from websockets.sync.client import connect


def main(url, ca_file, token, conversation, text):
    context = ssl.create_default_context(cafile=ca_file)
    client_id = uuid.uuid4().hex
    with connect(url, ssl=context, additional_headers={"Authorization": f"Bearer {token}"}, open_timeout=5) as socket:
        for request in (
            {"type": "sync", "id": "s"},
            {
                "type": "message.send",
                "id": "m",
                "conversationId": conversation,
                "clientMessageId": client_id,
                "text": text,
            },
        ):
            socket.send(json.dumps(request))
        waiting = {"ok", "message"}
        while waiting:
            for line in socket.recv(timeout=10).split("\n"):
                print(line)
                event = json.loads(line)
                if event["type"] == "ok" and event["id"] == "m":
                    waiting.discard("ok")
                if event.get("clientMessageId") == client_id:
                    waiting.discard("message")


if __name__ == "__main__":
    main(*sys.argv[1:])
