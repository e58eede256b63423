# SPDX-License-Identifier: Apache-2.0
"""A faulty way to an API server: requests pass, or are answered with an error, or hang, or are cut, as a test decides.

    proxy = Proxy(cluster)
    proxy.fault = lambda method, path: 503 if "eviction" in path else None     # also 429, "hang", "reset", "lose" (done, not answered)

One request per connection (both sides are told to close), so that each request meets the fault anew. With the cluster's own server
certificate, so that a client needs only another port in its kubeconfig.
"""
import contextlib
import json
import socket
import ssl
import threading
import time


class Proxy:
    def __init__(self, cluster):
        self.cluster, self.fault, self.counts = cluster, lambda method, path: None, {}
        self.inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.inward.load_cert_chain(cluster.pki.path("server.crt"), cluster.pki.path("server.key"))
        self.outward = ssl.create_default_context(cafile=cluster.pki.path("ca.crt"))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port, self.open = self.listener.getsockname()[1], set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def cut(self):
        """Ends every connection that is open."""
        for s in list(self.open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def kubeconfig(self, name, token):
        """A kubeconfig that goes through here."""
        config = json.loads(open(self.cluster.kubeconfig(name, token=token), encoding="utf-8").read())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        return self.cluster.write(f"{name}-proxy.kubeconfig", json.dumps(config))

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw):
        with contextlib.suppress(OSError, ValueError), self.inward.wrap_socket(raw, server_side=True) as client:
            self.open.add(client)
            try:
                self._one(client)
            finally:
                self.open.discard(client)

    def _one(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        method, path, _ = lines[0].decode().split(" ")
        fields = [line for line in lines[1:] if not line.lower().startswith((b"connection:", b"expect:"))]
        length = next((int(line.split(b":")[1]) for line in fields if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            more = client.recv(65536)
            if not more:
                return
            body += more
        what = self.fault(method, path)
        self.counts[what] = self.counts.get(what, 0) + 1
        request = b"\r\n".join([lines[0], *fields, b"Connection: close"]) + b"\r\n\r\n" + body
        if what in (None, "lose"):
            self._forward(client, request, what == "lose")
        elif what == "hang":
            time.sleep(15)
        elif isinstance(what, int):
            client.sendall(self._refusal(what))

    def _forward(self, client, request, lose):
        with socket.create_connection((self.cluster.address, self.cluster.port), timeout=120) as raw:
            with self.outward.wrap_socket(raw, server_hostname="localhost") as server:
                self.open.add(server)
                try:
                    server.sendall(request)
                    while data := server.recv(65536):
                        if not lose:
                            client.sendall(data)
                finally:
                    self.open.discard(server)

    @staticmethod
    def _refusal(status):
        reason = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}[status]
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "on request of a test", "reason": reason, "code": status}).encode()
        wait = b"Retry-After: 1\r\n" if status == 429 else b""
        return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n" % (status, reason.encode(), len(body), wait) + body
