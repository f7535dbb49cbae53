"""STUB until the branch live has it."""
from __future__ import annotations
import json
from dataclasses import dataclass, field
from typing import Any, Mapping
PROTOCOL = "graphql-transport-ws"

class Closed(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}"); self.code = code; self.reason = reason
@dataclass
class Init: payload: dict[str, Any]
@dataclass
class Ping: pass
@dataclass
class Pong: pass
@dataclass
class Subscribe:
    id: str; query: str|None; variables: dict[str,Any]|None; operation_name: str|None; extensions: dict[str,Any]|None
@dataclass
class Complete: id: str

def read(text: str, max_bytes: int):
    if len(text.encode(errors="surrogatepass")) > max_bytes: raise Closed(4400, "too long")
    try:
        m = json.loads(text)
        match m:
            case {"type": "connection_init"}: return Init(m.get("payload") or {})
            case {"type": "ping"}: return Ping()
            case {"type": "pong"}: return Pong()
            case {"type": "complete", "id": str(i)}: return Complete(i)
            case {"type": "subscribe", "id": str(i), "payload": dict(p)}:
                return Subscribe(i, p.get("query"), p.get("variables"), p.get("operationName"), p.get("extensions"))
    except (ValueError, RecursionError): pass
    raise Closed(4400, "Invalid message")
def authorization_of(payload, headers):
    for s in (payload, headers):
        for k, v in s.items():
            if k.lower()=="authorization" and isinstance(v,str): return v
    return None
def ack(): return json.dumps({"type":"connection_ack"})
def pong(): return json.dumps({"type":"pong"})
def next_(i, r): return json.dumps({"type":"next","id":i,"payload":r})
def error(i, e): return json.dumps({"type":"error","id":i,"payload":e})
def complete(i): return json.dumps({"type":"complete","id":i})
