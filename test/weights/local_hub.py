"""A stand-in of the Hugging Face hub on this machine: one repository, the two requests a download makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class LocalHub:
    """Files of one revision; `cut` names a file that ends early, `asked` collects the paths of all requests."""

    repository: str
    revision: str
    files: dict[str, bytes]
    cut: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        path = path.partition("?")[0]
        self.asked.append(path)
        if path == f"/api/models/{self.repository}/tree/{self.revision}":
            listing = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in self.files.items()
            ]
            return 200, {"Content-Type": "application/json"}, json.dumps(listing).encode()
        prefix = f"/{self.repository}/resolve/{self.revision}/"
        data = self.files.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
        if data is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        return 200, {"X-Repo-Commit": self.revision, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, data


@contextmanager
def serve(hub: LocalHub) -> Iterator[LocalHub]:
    """Serve on a free port of 127.0.0.1; `hub.url` is its address meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                ends_early = hub.cut and self.path.endswith(hub.cut)
                self.wfile.write(body[: len(body) // 2] if ends_early else body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
