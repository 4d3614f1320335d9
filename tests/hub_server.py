"""A stand-in for the Hugging Face Hub on this machine: as much of its HTTP as its clients ask for.

Large files lie at another address (the Hub's storage), to which it redirects. Uploads go there too,
by Git LFS; the Hub's newer protocol, Xet, is left out, and clients fall back where
``HF_HUB_DISABLE_XET`` is set.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".pth", ".pt", ".safetensors")  # endings of what the Hub keeps in its storage
CHUNK = 2**20
TOKEN = "hf_stand_in"  # shows private and gated repositories
REPOSITORY = r"(?P<kind>models|spaces|datasets)/(?P<name>[^/]+/[^/]+)"


@dataclass
class Repository:
    """One repository: its commits, and who may see it."""

    commits: dict[str, dict[str, bytes | Path]] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)  # sizes that are told, by path
    private: bool = False
    gated: bool = False

    @property
    def newest(self) -> str:
        return [*self.commits][-1]

    def commit(self, files: dict[str, bytes | Path]) -> str:
        """Add files to the newest commit's, and return the new one's name."""
        before = self.commits[self.newest] if self.commits else {}
        name = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits[name] = {**before, **files}
        return name


class StandInHub:
    """The Hub: change its attributes to let it behave badly.

    Attributes:
        repositories: by kind and name, such as ``models/owner/name``.
        asked: what was asked for: method, path and the headers.
        too_many: as many requests get the answer 429.
        cut_after: bytes after which the connection to the storage is cut, once each.
        silent: whether nothing is answered.
        spoilt: whether the storage gives other bytes than it should.
        read_only: whether nobody may make a repository.
    """

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes | Path] = {}  # by SHA-256
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.too_many, self.retry_after = 0, 1
        self.cut_after: list[int] = []
        self.silent, self.spoilt, self.read_only = False, False, False
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._hub = _start(self, Hub)
        self._storage = _start(self, Storage)
        self.address = f"http://127.0.0.1:{self._hub.server_port}"
        self.storage = f"http://localhost:{self._storage.server_port}"  # another host

    def add(self, name: str, files: dict[str, bytes | Path], kind: str = "models") -> Repository:
        """Add a commit to a repository, which is made if it isn't there."""
        repository = self.repositories.setdefault(f"{kind}/{name}", Repository())
        repository.commit(files)
        for path, content in files.items():
            if path.endswith(LARGE):
                self.store(content)
        return repository

    def store(self, content: bytes | Path) -> str:
        """Keep a large file, and return its SHA-256."""
        for digest, known in self.stored.items():
            if known is content:  # a large one takes seconds
                return digest
        if isinstance(content, bytes):
            digest = hashlib.sha256(content).hexdigest()
        else:
            with content.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.stored[digest] = content
        return digest

    def downloads(self) -> list[str]:
        """List the files whose content was asked for, in order."""
        gets = (path for method, path, _ in self.asked if method == "GET")
        return [unquote(path.split("/resolve/")[1]) for path in gets if "/resolve/" in path]

    def close(self) -> None:
        self.closing.set()
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()
        for connection in [*self.connections]:  # clients keep theirs open
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def stand_in_hub() -> Iterator[StandInHub]:
    """Serve a Hub without repositories until the block ends."""
    hub = StandInHub()
    try:
        yield hub
    finally:
        hub.close()


def environment(hub: StandInHub, home: Path) -> dict[str, str]:
    """Return the variables with which a program asks the stand-in and has an empty cache."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _start(hub: StandInHub, handler: type) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        self.hub.connections.discard(self.connection)
        super().finish()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.title(): value for name, value in self.headers.items()}
        self.hub.asked.append((self.command, self.path, headers))
        if self.hub.silent:
            self.hub.closing.wait(60)
            self.close_connection = True
        else:
            self.answer(body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, status: int, content: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        headers = {"Content_Length": len(content), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), Content_Type="application/json")

    def refuse(self, status: int, code: str, **headers: object) -> None:
        self.send(status, b"", X_Error_Code=code, X_Error_Message=f"{code}.", **headers)


class Hub(Handler):
    """What lies at the Hub's own address."""

    def answer(self, body: bytes) -> None:
        if self.hub.too_many > 0:
            self.hub.too_many -= 1
            return self.refuse(429, "TooMany", Retry_After=self.hub.retry_after)
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, url.path):
                return answer(self, body, **{k: unquote(v) for k, v in match.groupdict().items()})
        return self.refuse(404, "NoSuchAddress")

    def seen(self, kind: str, name: str) -> Repository | None:
        """Find a repository that whoever asks may see, or refuse; the Hub tells them not apart."""
        repository = self.hub.repositories.get(f"{kind}/{name}")
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not known):
            self.refuse(401, "RepoNotFound")
            return None
        if repository.gated and not known:
            self.refuse(403, "GatedRepo")
            return None
        return repository

    def files_at(self, repository: Repository, revision: str) -> dict[str, bytes | Path] | None:
        revision = repository.newest if revision == "main" else revision
        if revision not in repository.commits:
            self.refuse(404, "RevisionNotFound")
            return None
        self.commit = revision
        return repository.commits[revision]

    def entry(self, repository: Repository, path: str, content: bytes | Path) -> dict:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        size = repository.claimed.get(path, size)
        if not path.endswith(LARGE):
            return {"size": size, "oid": hashlib.sha1(content).hexdigest()}
        digest = self.hub.store(content)
        lfs = {"sha256": digest, "oid": digest, "size": size, "pointerSize": 1}
        return {"size": size, "oid": digest[:40], "lfs": lfs}

    def info(self, body: bytes, kind: str, name: str, revision: str = "main") -> None:
        if (repository := self.seen(kind, name)) is None:
            return
        if (files := self.files_at(repository, revision)) is None:
            return
        siblings = [
            {"rfilename": path, **self.entry(repository, path, content)}
            for path, content in files.items()
        ]
        told = {"id": name, "sha": self.commit, "siblings": siblings}
        self.send_json({**told, "private": repository.private, "gated": repository.gated})

    def tree(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if (repository := self.seen(kind, name)) is None:
            return
        if (files := self.files_at(repository, revision)) is not None:
            entries = [
                {"type": "file", "path": path, **self.entry(repository, path, content)}
                for path, content in files.items()
            ]
            self.send_json(entries)

    def resolve(
        self, body: bytes, name: str, revision: str, path: str, prefix: str = "models/"
    ) -> None:
        if (repository := self.seen(prefix.strip("/") or "models", name)) is None:
            return
        if (files := self.files_at(repository, revision)) is None:
            return
        commit = {"X_Repo_Commit": self.commit}
        if path not in files:
            return self.refuse(404, "EntryNotFound", **commit)
        entry = self.entry(repository, path, files[path])
        if "lfs" not in entry:
            return self.send(200, files[path], ETag=f'"{entry["oid"]}"', **commit)
        digest = entry["lfs"]["sha256"]
        linked = {"X_Linked_ETag": f'"{digest}"', "X_Linked_Size": entry["size"]}
        return self.send(302, b"", Location=f"{self.hub.storage}/{digest}", **linked, **commit)

    def create(self, body: bytes) -> None:
        if self.hub.read_only:
            return self.refuse(403, "Forbidden")
        asked = json.loads(body)
        name = f"{asked['organization'] or 'somebody'}/{asked['name']}"
        kind = f"{asked.get('type', 'model')}s"
        prefix = "" if kind == "models" else f"{kind}/"
        told = json.dumps({"url": f"{self.hub.address}/{prefix}{name}", "name": name}).encode()
        if f"{kind}/{name}" in self.hub.repositories:
            return self.send(409, told, X_Error_Code="Exists", Content_Type="application/json")
        self.hub.add(name, {".gitattributes": b""}, kind)
        return self.send(200, told, Content_Type="application/json")

    def validate(self, body: bytes) -> None:
        self.send_json({"errors": [], "warnings": []})

    def preupload(self, body: bytes, kind: str, name: str, revision: str) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self.send_json({"files": files})

    def batch(self, body: bytes, **names: str) -> None:
        objects = [
            {**asked, "actions": {"upload": {"href": f"{self.hub.storage}/{asked['oid']}"}}}
            for asked in json.loads(body)["objects"]
        ]
        self.send_json({"transfer": "basic", "objects": objects})

    def take(self, body: bytes, kind: str, name: str, revision: str) -> None:
        """Commit files: small ones are in the message, large ones in the storage already."""
        if (repository := self.seen(kind, name)) is None:
            return
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        oid = repository.commit(files)
        url = f"{self.hub.address}/{name}/commit/{oid}"
        self.send_json({"commitUrl": url, "commitOid": oid, "pullRequestUrl": None})

    def who(self, body: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "Unauthorized")
        return self.send_json({"type": "user", "name": "somebody", "auth": {}, "orgs": []})


class Storage(Handler):
    """Where large files lie: another host, that must never hear of a token."""

    def answer(self, body: bytes) -> None:
        digest = self.path.strip("/")
        if self.command == "PUT":
            same = hashlib.sha256(body).hexdigest() == digest
            self.hub.stored[digest] = body
            return self.send(200 if same else 400)
        content = self.hub.stored.get(digest)
        if content is None or "Authorization" in self.headers:
            return self.send(403)
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = int(asked[2]) if asked and asked[2] else size - 1
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        cut = self.hub.cut_after.pop(0) if self.hub.cut_after else None
        for part in _parts(content, first, last + 1 if cut is None else first + cut):
            self.wfile.write(bytes(len(part)) if self.hub.spoilt else part)
        if cut is not None:
            self.close_connection = True
        return None


def _parts(content: bytes | Path, first: int, end: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content[first:end]
        return
    with content.open("rb") as file:
        file.seek(first)
        while first < end and (part := file.read(min(CHUNK, end - first))):
            first += len(part)
            yield part


ROUTES = (
    (rf"/api/{REPOSITORY}", Hub.info),
    (rf"/api/{REPOSITORY}/revision/(?P<revision>[^/]+)", Hub.info),
    (rf"/api/{REPOSITORY}/tree/(?P<revision>[^/]+)", Hub.tree),
    (r"/api/repos/create", Hub.create),
    (r"/api/validate-yaml", Hub.validate),
    (r"/api/whoami-v2", Hub.who),
    (rf"/api/{REPOSITORY}/preupload/(?P<revision>[^/]+)", Hub.preupload),
    (rf"/api/{REPOSITORY}/commit/(?P<revision>[^/]+)", Hub.take),
    (r"/(?P<prefix>spaces/|)(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", Hub.batch),
    (
        r"/(?P<prefix>spaces/|)(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Hub.resolve,
    ),
)
