"""One worker process, ``python -m driftbreaker.cli.demo.service.worker``: its stdin says what to do and when to end."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading

import uvicorn
from sqlalchemy.engine import make_url

from driftbreaker.cli.demo.service.application import make_app
from driftbreaker.cli.engine import engine_of


class _Server(uvicorn.Server):
    """Says on which port it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the parent."""
        await super().startup(sockets)
        for each in self.servers:
            port = each.sockets[0].getsockname()[1]
            print(json.dumps({"port": port}), flush=True)  # noqa: T201  it is what the parent reads


def main() -> None:
    """Serve until stdin ends: it does when the parent is done, and also when it is killed."""
    # Not on the command line, which every user of the machine can read: the URL may hold a password.
    told = json.loads(sys.stdin.readline())
    engine = engine_of(make_url(told["url"]))
    quiet = {"log_level": "warning", "access_log": False, "ws": "none", "loop": "asyncio", "http": "h11"}
    server = _Server(uvicorn.Config(make_app(engine, told["name"]), port=0, **quiet))  # type: ignore[arg-type]
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    try:
        # Not a socket of `bind_socket`: it has no protocol, so asyncio leaves Nagle on, and each answer takes 40 ms.
        asyncio.run(server.serve())
    finally:
        engine.dispose()


def _end_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
