#!/usr/bin/env python3
"""A small server that speaks the Hub's protocol, and a storage on another port that large files are redirected to; both misbehave when told to.

Usage: server.py ROOT LOG [CERTIFICATE KEY]
Serves every ROOT/ORG/NAME as a model. Prints the two ports (Hub, storage) and serves until its standard input ends. Each request is a line of
JSON in LOG: {"server", "method", "path", "token", "range", "status"}. With a certificate both speak https.

ROOT/ORG/NAME/.faults.json, read again for each request, says how it misbehaves (all optional):
  "private", "gated": true     a token is wanted; "token" says which (default "hf_good"); gated: that "hf_good" is not enough, but "hf_accepted" is
  "listing": TEXT              instead of the list of files; "listing_without_hashes": true
  "head": {NAME: VALUE}        headers of answers to HEAD that are replaced (null takes one away)
  "large": [PATH, ...]         kept in the storage; without it every .safetensors
  "files": {PATH: FAULT}       how the content of a file is sent:
      "times": N                 only the first N times (default: always)
      "status": N, "retry_after": S, "break_after": N, "stall_after": N, "drip": N (bytes, 20 of them a second), "flip": N (the byte with a wrong bit), "longer": N, "shorter": N,
      "ignore_range", "wrong_range", "gzip", "endless_redirect", "redirect": URL, "pause": seconds between blocks of 64 KiB
"""
import gzip
import hashlib
import http.server
import json
import pathlib
import re
import ssl
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(sys.argv[1])
LOG = open(sys.argv[2], "a", buffering=1)
SERVED = {}  # how often each file's content was asked for, under each fault
LOCK = threading.Lock()
BLOCK = 1 << 16


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Repository:
    def __init__(self, name):
        self.folder = ROOT / name
        if name.count("/") != 1 or not self.folder.is_dir():
            raise FileNotFoundError(name)
        faults = self.folder / ".faults.json"
        self.faults = (json.loads(faults.read_text()) if faults.exists() else None) or {}
        paths = (p for p in sorted(self.folder.rglob("*")) if p.is_file() and not p.name.startswith("."))
        self.files = {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in paths}
        self.commit = hashlib.sha1(repr([(p, git_hash(c)) for p, c in self.files.items()]).encode()).hexdigest()

    def is_large(self, path):
        return path in self.faults["large"] if "large" in self.faults else path.endswith(".safetensors")

    def hash(self, path):
        content = self.files[path]
        return hashlib.sha256(content).hexdigest() if self.is_large(path) else git_hash(content)

    def has_revision(self, revision):
        return revision in ("main", "refs/pr/1", "v1", self.commit)

    def entry(self, path, name_key):
        content = self.files[path]
        entry = {name_key: path}
        if not self.faults.get("listing_without_hashes"):
            entry |= {"size": len(content), "blobId": git_hash(content), "oid": git_hash(content)}
            if self.is_large(path):
                entry["lfs"] = {"sha256": self.hash(path), "oid": self.hash(path), "size": len(content), "pointerSize": 134}
        return entry

    def fault(self, path):
        fault = (self.faults.get("files") or {}).get(path) or {}
        with LOCK:
            key = (self.folder, path, json.dumps(fault))
            SERVED[key] = SERVED.get(key, 0) + 1
            return fault if SERVED[key] <= fault.get("times", 1 << 30) else {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kind = "hub"

    def log_message(self, *_):
        pass

    def send_response(self, code, message=None):
        line = {"server": self.kind, "method": self.command, "path": self.path, "token": self.token(), "range": self.headers.get("Range"), "status": code}
        LOG.write(json.dumps(line) + "\n")
        super().send_response(code, message)

    def parse_request(self):
        ok = super().parse_request()
        if ok:
            self.path = self.requestline.split()[1]  # http.server makes one slash of two at its beginning
        return ok

    def parts(self):
        """Of the path, which a proxy's client gives with scheme and host. No server has a path with an empty part."""
        path = re.sub("^https?://[^/]*", "", self.path).split("?")[0]
        parts = [urllib.parse.unquote(p) for p in path.removeprefix("/").split("/")]
        if "" in parts:
            raise FileNotFoundError(path)
        return parts

    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def answer(self, status, content=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status, code, message=""):
        self.answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})

    def send_file(self, repository, path, headers):
        """The content, with whatever is to go wrong."""
        content, fault = repository.files[path], repository.fault(path)
        if "status" in fault:
            extra = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
            return self.answer(fault["status"], b"no", extra)
        if "redirect" in fault:
            return self.answer(302, headers={"Location": fault["redirect"]})
        if fault.get("endless_redirect"):
            return self.answer(302, headers={"Location": self.path.split("?")[0] + "?n=" + str(time.monotonic_ns())})
        start = 0
        asked = self.headers.get("Range")
        if asked and not fault.get("ignore_range"):
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self.answer(416, headers={"Content-Range": f"bytes */{len(content)}"})
            first = start + 1 if fault.get("wrong_range") else start
            headers = headers | {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        body = bytearray(content)
        if "flip" in fault:
            body[fault["flip"]] ^= 1
        body = bytes(body[start:]) + b"x" * fault.get("longer", 0)
        body = body[: len(body) - fault.get("shorter", 0)]
        if fault.get("gzip"):
            body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
        self.send_response(206 if "Content-Range" in headers else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(body, fault)

    def send_body(self, body, fault):
        for at in range(fault.get("drip", 0)):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            time.sleep(0.05)
        body = body[fault.get("drip", 0) :]
        for at in range(0, len(body), BLOCK):
            block = body[at : at + BLOCK]
            for key in ("break_after", "stall_after"):
                if fault.get(key, 1 << 60) < at + len(block):
                    self.wfile.write(block[: max(0, fault[key] - at)])
                    self.wfile.flush()
                    time.sleep(3600 if key == "stall_after" else 0)
                    self.close_connection = True
                    return
            self.wfile.write(block)
            time.sleep(fault.get("pause", 0))

    def do_GET(self):
        try:
            self.serve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except FileNotFoundError:
            self.refuse(404 if self.token() else 401, "RepoNotFound", "Repository not found")

    do_HEAD = do_GET

    def serve(self):
        parts = self.parts()
        if parts == ["api", "whoami-v2"]:
            ok = self.token() in ("hf_good", "hf_accepted")
            account = {"type": "user", "name": "painter", "orgs": [], "auth": {"accessToken": {"displayName": "reading", "role": "read"}}}
            return self.answer(200, json.dumps(account).encode()) if ok else self.refuse(401, "", "Invalid credentials in Authorization header")
        if parts[:2] == ["api", "models"]:
            repository = Repository("/".join(parts[2:4]))
            return self.serve_api(repository, parts[4:] or ["revision", "main"])
        if parts[:2] == ["api", "resolve-cache"]:  # where the Hub itself keeps small files
            repository = Repository("/".join(parts[2:4]))
            return self.serve_small(repository, "/".join(parts[5:]))
        repository = Repository("/".join(parts[:2]))
        if len(parts) < 5 or parts[2] != "resolve":
            return self.refuse(404, "")
        self.serve_resolve(repository, parts[3], "/".join(parts[4:]))

    def may_not_see(self, repository, gates):
        wanted = repository.faults.get("token", "hf_good")
        if repository.faults.get("private") and self.token() != wanted:
            self.refuse(404 if self.token() else 401, "RepoNotFound", "Repository not found")
        elif self.token() == "hf_bad":
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif gates and repository.faults.get("gated") and self.token() != "hf_accepted":
            self.refuse(403 if self.token() else 401, "GatedRepo", "Access to model is restricted")
        else:
            return False
        return True

    def serve_api(self, repository, rest):
        if self.may_not_see(repository, gates=False):
            return
        if not repository.has_revision(rest[1]):
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if rest[0] == "tree":
            files = [{"type": "file"} | repository.entry(p, "path") for p in repository.files]
            return self.answer(200, json.dumps(files).encode(), {"Content-Type": "application/json"})
        listing = {"id": repository.folder.name, "sha": repository.commit, "siblings": [repository.entry(p, "rfilename") for p in repository.files]}
        text = repository.faults.get("listing") or json.dumps(listing)
        self.answer(200, text.replace("COMMIT", repository.commit).encode(), {"Content-Type": "application/json"})

    def file_headers(self, repository, path):
        return {"X-Repo-Commit": repository.commit, "ETag": f'"{repository.hash(path)}"', "Accept-Ranges": "bytes"}

    def edited(self, repository, headers):
        changes = repository.faults.get("head", {}) if self.command == "HEAD" else {}
        return {k: v for k, v in (headers | changes).items() if v is not None}

    def serve_resolve(self, repository, revision, path):
        if self.may_not_see(repository, gates=True):
            return
        if not repository.has_revision(revision):
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if path not in repository.files:
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit})
        headers = self.file_headers(repository, path)
        if repository.is_large(path):
            storage = f"{SCHEME}://127.0.0.1:{STORAGE.server_port}/{repository.folder.relative_to(ROOT).as_posix()}/{urllib.parse.quote(path)}?X-Signature=s3cret"
            headers |= {"Location": storage, "X-Linked-Etag": headers.pop("ETag"), "X-Linked-Size": str(len(repository.files[path]))}
        else:
            place = f"/api/resolve-cache/{repository.folder.relative_to(ROOT).as_posix()}/{repository.commit}/{urllib.parse.quote(path)}"
            headers |= {"Location": place}
        self.answer(302 if repository.is_large(path) else 307, headers=self.edited(repository, headers))

    def serve_small(self, repository, path):
        headers = self.file_headers(repository, path)
        if self.command == "HEAD":
            return self.answer(200, headers=self.edited(repository, headers | {"Content-Length": str(len(repository.files[path]))}))
        self.send_file(repository, path, headers)


class Storage(Handler):
    kind = "storage"

    def serve(self):
        parts = self.parts()
        repository = Repository("/".join(parts[:2]))
        self.send_file(repository, "/".join(parts[2:]), {"ETag": '"storage-tag-1"', "Accept-Ranges": "bytes"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Clients that leave, or do not trust us, are part of the tests."""
        if not isinstance(sys.exc_info()[1], OSError):  # ssl.SSLError is one
            super().handle_error(request, address)

    request_queue_size = 128


SCHEME = "https" if len(sys.argv) > 3 else "http"
HUB, STORAGE = Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), Storage)
if SCHEME == "https":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:])
    for server in (HUB, STORAGE):
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
for server in (HUB, STORAGE):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(HUB.server_port, STORAGE.server_port, flush=True)
sys.stdin.read()
