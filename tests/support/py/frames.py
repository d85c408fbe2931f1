"""frames.py - docs/asyncapi.yaml as a judge of what was really said.

    judge = Frames()
    judge.said({"type": "hello", ...})         a frame of the server's; judge.faults has what is wrong
    judge.asked({"type": "ping", ...})         a request that was answered with success
    judge.published("heads.0", payload)        a message on NATS

A type that the page doesn't know is a fault, and so is a key that it doesn't name: the page forbids none
(clients must live with new ones), but what this server says it has to describe.
"""

import copy
import json
import os
import re

import jsonschema
import yaml

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/asyncapi.yaml")


class Frames:
    def __init__(self, path=PAGE):
        with open(path, encoding="utf-8") as f:
            self.page = yaml.safe_load(f)
        self.strict = copy.deepcopy(self.page)
        self._close(self.strict)
        self.faults, self.seen, self.validators = [], {}, {}
        socket = {
            action: [
                self._target(m)
                for o in self.page["operations"].values()
                if o["channel"]["$ref"] == "#/channels/socket" and o["action"] == action
                for m in o["messages"]
            ]
            for action in ("send", "receive")
        }
        self.server_types = self._types(socket["send"])
        self.client_types = self._types(socket["receive"])

    def _resolve(self, node):
        while "$ref" in node:
            at = self.page
            for key in node["$ref"].removeprefix("#/").split("/"):
                at = at[key]
            node = at
        return node

    def _target(self, ref):
        """The key under components/messages that a channel's message stands for."""
        at = self.page
        for key in ref["$ref"].removeprefix("#/").split("/"):
            at = at[key]
        return at["$ref"].rsplit("/", 1)[1] if "$ref" in at else ref["$ref"].rsplit("/", 1)[1]

    def _types_of(self, schema):
        schema = self._resolve(schema)
        named = schema.get("properties", {}).get("type", {})
        found = [named["const"]] if "const" in named else list(named.get("enum", []))
        for part in schema.get("allOf", []):
            found += self._types_of(part)
        return found

    def _types(self, names):
        types = {}
        for name in names:
            found = self._types_of(self.page["components"]["messages"][name]["payload"])
            assert found, f"{name}: the page names no type"
            for kind in found:
                assert kind not in types, f"{kind} is both {name} and {types[kind]}"
                types[kind] = name
        return types

    def _is_closed(self, schema):
        schema = self._resolve(schema)
        return "properties" in schema or "allOf" in schema

    def _close(self, node):
        """Objects within objects have no other keys than those that are named."""
        if isinstance(node, list):
            for item in node:
                self._close(item)
        elif isinstance(node, dict):
            for value in node.values():
                self._close(value)
            held = [(node["properties"], k) for k in node["properties"]] if "properties" in node else []
            if isinstance(node.get("items"), dict):
                held.append((node, "items"))
            for parent, key in held:
                if isinstance(parent[key], dict) and self._is_closed(parent[key]):
                    parent[key] = {"allOf": [parent[key]], "unevaluatedProperties": False}

    @staticmethod
    def _pattern(address):
        numbered = address.replace("$", r"\$").replace("{partition}", r"\d+").replace("{key}", ".+")
        return re.sub(r"\{\w+\}", "[^.]+", numbered)

    def _judge(self, name, thing, where):
        if name not in self.validators:
            self.validators[name] = jsonschema.Draft202012Validator(
                {
                    "allOf": [{"$ref": f"#/components/messages/{name}/payload"}],
                    "unevaluatedProperties": False,
                    "components": self.strict["components"],
                }
            )
        self.seen[where] = self.seen.get(where, 0) + 1
        for error in self.validators[name].iter_errors(thing):
            self.faults.append(f"{where}: {error.json_path}: {error.message}"[:400])

    def said(self, thing):
        name = self.server_types.get(thing.get("type"))
        if name:
            self._judge(name, thing, thing["type"])
        else:
            self.faults.append(f"the page knows no type {thing.get('type')!r}: {thing}"[:400])

    def asked(self, thing):
        name = self.client_types.get(thing["type"])
        if name:
            self._judge(name, thing, f"request {thing['type']}")
        else:
            self.faults.append(f"the page knows no request {thing['type']!r}")

    def published(self, subject, payload):
        """A message on NATS: one of those of a channel with such an address. A stored event is judged as
        clients get it, with the place that the stream gives it."""
        # What buckets republish is judged as what they hold.
        subject = re.sub(r"^live\.(presence|revoked)\.", lambda m: f"$KV.{m[1].upper()}.", subject)
        thing = json.loads(payload)
        for channel in self.page["channels"].values():
            address = channel.get("address")
            if not address or not re.fullmatch(self._pattern(address), subject):
                continue
            names = [m["$ref"].rsplit("/", 1)[1] for m in channel["messages"].values()]
            tries = []
            for name in names:
                before, judged = len(self.faults), thing
                if name == "storedEvent" and thing.get("type") in self.server_types:
                    name = self.server_types[thing["type"]]
                    judged = {**thing, "seq": 1, "prev": 0, "at": "2026-01-02T03:04:05.678Z"}
                self._judge(name, judged, f"{channel['address']} {name}")
                wrong, self.faults = self.faults[before:], self.faults[:before]
                if not wrong:
                    return
                tries += wrong
            self.faults.append(f"{subject}: none of {names}: {payload!r}: {tries[:2]}"[:600])
            return
        self.faults.append(f"the page knows no subject {subject}")
