# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index and a git server that let nobody in without a password, as teams have them.

One process is both: /simple/ is the index, /git/NAME.git a repository that git itself serves, with what git LFS keeps.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import hashlib
import http.server
import io
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Private:
    """What there is, who gets in, and who came."""

    folder: Path
    password: str
    token: str
    port: int = 0
    packages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add_package(self, name: str, code: str) -> None:
        """A wheel of one module."""
        wheel = f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        files = {
            f"{name}.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": record}.items():
                archive.writestr(path, text)
        self.packages[name] = (wheel, packed.getvalue())

    def keep_large(self, content: bytes) -> str:
        """Lay a file where git LFS finds it; return its pointer."""
        name = hashlib.sha256(content).hexdigest()
        (self.folder / "lfs").mkdir(exist_ok=True)
        (self.folder / "lfs" / name).write_bytes(content)
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {len(content)}\n"


class Handler(http.server.BaseHTTPRequestHandler):
    private: Private
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        path, _sep, query = self.path.partition("?")
        secret = self.private.password if path.startswith(("/simple/", "/files/")) else self.private.token
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, _sep, login = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic" or base64.b64decode(login).decode().partition(":")[2] != secret:
            self.private.refused.append(path)
            return self._send(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="private"'})
        self.private.served.append(path)
        if path.startswith("/simple/"):
            return self._index(path.strip("/").rpartition("/")[2])
        if path.startswith("/files/"):
            found = dict(self.private.packages.values())
            return self._send(200, found[path.removeprefix("/files/")], {"Content-Type": "application/octet-stream"})
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        if path.startswith("/lfs/"):
            return self._send(200, (self.private.folder / path.lstrip("/")).read_bytes(), {})
        return self._git(path.removeprefix("/git"), query, body)

    def _index(self, name: str) -> None:
        if name not in self.private.packages:
            return self._send(404, b"no such package", {})
        wheel, content = self.private.packages[name]
        page = f'<a href="/files/{wheel}#sha256={hashlib.sha256(content).hexdigest()}">{wheel}</a>'
        return self._send(
            200, f"<!DOCTYPE html><html><body>{page}</body></html>".encode(), {"Content-Type": "text/html"}
        )

    def _batch(self, asked: dict[str, Any]) -> None:
        place = f"http://{self.headers['Host']}/lfs"
        objects = [{**one, "actions": {"download": {"href": f"{place}/{one['oid']}"}}} for one in asked["objects"]]
        answer = json.dumps({"transfer": "basic", "objects": objects}).encode()
        self._send(200, answer, {"Content-Type": "application/vnd.git-lfs+json"})

    def _git(self, path: str, query: str, body: bytes) -> None:
        done = subprocess.run(
            ["git", "http-backend"],
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.private.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "REMOTE_USER": "somebody",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            input=body,
            capture_output=True,
            check=False,
        )
        head, _sep, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._send(int(headers.pop("Status", "200").split()[0]), content, headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextlib.contextmanager
def served(private: Private) -> Iterator[Private]:
    """Answer on every address of this machine, for the hosts of the test come from outside."""
    handler = type("Bound", (Handler,), {"private": private})
    server = http.server.ThreadingHTTPServer(("", 0), handler)
    private.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield private
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def arguments_watched(*secrets: str) -> Iterator[list[str]]:
    """Look again and again at the arguments of all processes, those of containers too; yield where a secret stood."""
    found: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    text = Path(path).read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    found.extend(text for secret in secrets if secret in text)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
