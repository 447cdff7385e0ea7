"""An MCP server for tests on stdio, by hand: the protocol of 2025, and a list in two pages.

Its arguments: `stubborn` goes on without input and after SIGTERM; `silent` never answers.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

PROGRAM = (sys.executable, __file__)

Json = dict[str, Any]
tools = ["first", "wait", "grow", "malformed"]
noted: list[str] = []


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def listed(name: str) -> Json:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    return {"name": name, "description": f"The\n\n{name}  one.", "inputSchema": schema}


def answer(method: str, params: Json) -> Json | None:
    if method == "initialize":
        info = {"name": "plain", "version": "1"}
        capabilities = {"tools": {"listChanged": True}}
        version = params["protocolVersion"]
        return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
    if method == "tools/list" and not params.get("cursor"):
        return {"tools": [listed(tools[0])], "nextCursor": "more"}
    if method == "tools/list":
        return {"tools": [listed(name) for name in tools[1:]]}
    return called(params["name"]) if method == "tools/call" else None


def called(name: str) -> Json | None:
    if name == "grow":
        tools.append("grown")
        send(method="notifications/tools/list_changed")
    if name == "malformed":
        return {"content": "nothing of the kind"}
    text = ", ".join(noted) if name == "first" else name
    return None if name == "wait" else {"content": [{"type": "text", "text": text}]}


def receive(message: Json) -> None:
    method, params = message.get("method", ""), message.get("params") or {}
    if "id" not in message:
        noted.append(method)
    elif result := answer(method, params):
        send(id=message["id"], result=result)
    elif method != "tools/call":
        send(id=message["id"], error={"code": -32601, "message": "no such method"})


if __name__ == "__main__":
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        if "silent" not in sys.argv:
            receive(json.loads(line))
    while "stubborn" in sys.argv:
        time.sleep(0.1)
