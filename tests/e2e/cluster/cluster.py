# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes control plane on one machine, with fake kubelets (kwok), and the faults that happen to one.

    with Cluster(folder) as c:
        c.kube.create("/api/v1/nodes", node("spot-1"))       # Ready a moment later; pods on it run, end, keep their grace
        c.restart("kube-apiserver")
        c.kubectl("get", "nodes")

etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok are the programs that ./build made. They listen on the
loopback, on ports outside the range that the kernel gives to clients, keep everything in one folder, and end with this process.
"""
import ctypes
import http.client
import json
import os
import pathlib
import random
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time

from .kube import Kube

HERE = pathlib.Path(__file__).resolve().parent
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def programs():
    """Where ./build puts (or has put) the programs."""
    found = subprocess.run([HERE / "build", "--dir"], capture_output=True, text=True, check=True)
    return pathlib.Path(found.stdout.strip())


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count, address):
    """A row of ports that nobody listens on. Not from the kernel's own range, where an outgoing connection could take one."""
    for _ in range(200):
        first = random.randrange(15000, 32000)
        try:
            for port in range(first, first + count):
                with socket.socket() as s:
                    s.bind((address, port))
            return list(range(first, first + count))
        except OSError:
            continue
    raise OSError("no free ports")


class Pki:
    """Two certificate authorities (cluster, front proxy), the certificates of the programs, the key that signs tokens."""

    def __init__(self, folder, address):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority("ca")
        self.authority("front-ca")
        self.leaf("server", "/CN=kube-apiserver", "ca", f"DNS:localhost,DNS:kubernetes.default.svc,IP:{address},IP:10.96.0.1")
        for name, subject in (("kcm", "/CN=system:kube-controller-manager"), ("scheduler", "/CN=system:kube-scheduler"), ("kwok", "/O=system:masters/CN=kwok")):
            self.leaf(name, subject, "ca")
        self.leaf("front", "/CN=front-proxy", "front-ca")
        self.openssl("genrsa", "-out", self.path("tokens.key"), "2048")
        self.openssl("rsa", "-in", self.path("tokens.key"), "-pubout", "-out", self.path("tokens.pub"))

    def path(self, name):
        return str(self.folder / name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def authority(self, name):
        self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN=e2e-{name}", "-days", "7",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"),
        )

    def leaf(self, name, subject, authority, names=None):
        usage = "serverAuth" if names else "clientAuth"
        extensions = f"basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n" + (f"subjectAltName={names}\n" if names else "")
        pathlib.Path(self.path(name + ".ext")).write_text(extensions, encoding="utf-8")
        self.openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
            "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"),
        )
        self.openssl(
            "x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(authority + ".crt"), "-CAkey", self.path(authority + ".key"),
            "-set_serial", str(secrets.randbits(60)), "-days", "7", "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".crt"),
        )


class Cluster:
    """kcm, scheduler, kwok: which programs run besides etcd and the API server. lease_s: heartbeats of the fake kubelets; 0: none
    (they cost most of the CPU of a large cluster). node_grace: when a silent node is called Unknown. watch_cache False: a compaction
    makes old watches end with 410. log_requests: audit log of what changes something, see requests()."""

    def __init__(self, folder, kcm=True, scheduler=True, kwok=True, lease_s=40, node_grace="50s", watch_cache=True, log_requests=True, address="127.0.0.1"):
        self.folder, self.bin, self.address = pathlib.Path(folder), programs(), address
        self.wanted = [n for n, wanted in (("kube-controller-manager", kcm), ("kube-scheduler", scheduler), ("kwok", kwok)) if wanted]
        self.lease_s, self.node_grace, self.watch_cache, self.log_requests = lease_s, node_grace, watch_cache, log_requests
        self.processes, self.frozen = {}, set()
        self.audited, self.audited_to, self.audit_lock = [], 0, threading.Lock()

    # life
    def up(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pki = Pki(self.folder / "pki", self.address)
        self.port, self.etcd_port, self.peer_port, self.kcm_port, self.scheduler_port, self.kwok_port = free_ports(6, self.address)
        self.url = f"https://{self.address}:{self.port}"
        self.token = secrets.token_hex(16)
        self.write("tokens.csv", f'{self.token},e2e-admin,1,"system:masters"\n')
        self.kube = self.client(self.token)
        try:
            self.start("etcd")
            self.start("kube-apiserver")
            for name in self.wanted:
                self.spawn(name)
            for name in self.wanted:
                self.wait(name)
            if "kube-controller-manager" in self.wanted:  # no pod can be made before this is there
                self.poll(lambda: self.kube.find("/api/v1/namespaces/default/serviceaccounts/default"), 30, "the default ServiceAccount")
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        for name in reversed(list(self.processes)):
            self.thaw(name)
            self.end(name, signal.SIGTERM)

    __enter__ = up

    def __exit__(self, *_):
        self.down()

    # the programs
    def write(self, name, text):
        path, fresh = self.folder / name, self.folder / f"{name}.{threading.get_ident()}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)  # a program that is just reading it has the old one or the new one
        return str(path)

    def kubeconfig(self, name, **user):
        """A kubeconfig file (JSON is YAML): user is token=… or the client-certificate and client-key of the PKI."""
        if not user:
            user = {"client-certificate": self.pki.path(name + ".crt"), "client-key": self.pki.path(name + ".key")}
        cluster = {"server": self.url, "certificate-authority": self.pki.path("ca.crt")}
        return self.write(name + ".kubeconfig", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "clusters": [{"name": "e2e", "cluster": cluster}], "users": [{"name": name, "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}],
        }))

    def arguments(self, name):
        return getattr(self, "_" + name.replace("-", "_"))()

    def _etcd(self):
        client, peer = f"http://{self.address}:{self.etcd_port}", f"http://{self.address}:{self.peer_port}"
        return [
            f"--data-dir={self.folder}/etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", "--log-level=warn", "--unsafe-no-fsync",
        ]

    def _kube_apiserver(self):
        pki = self.pki.path
        more = [] if self.watch_cache else ["--watch-cache=false"]
        if self.log_requests:
            policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
                {"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "None", "userGroups": ["system:masters", "system:nodes"]},
                {"level": "None", "users": ["system:kube-scheduler", "system:kube-controller-manager"]},
                {"level": "Request", "userGroups": ["system:serviceaccounts:petrel", "system:serviceaccounts:petrel-agent"]}, {"level": "Metadata"},
            ]}
            more += [f"--audit-policy-file={self.write('audit-policy.json', json.dumps(policy))}", f"--audit-log-path={self.folder}/requests.jsonl"]
        return more + [
            f"--etcd-servers=http://{self.address}:{self.etcd_port}", f"--bind-address={self.address}", f"--secure-port={self.port}",
            f"--advertise-address={self.address}", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--profiling=false",
            f"--client-ca-file={pki('ca.crt')}", f"--tls-cert-file={pki('server.crt')}", f"--tls-private-key-file={pki('server.key')}",
            f"--token-auth-file={self.folder}/tokens.csv", "--api-audiences=https://kubernetes.default.svc",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki('tokens.pub')}",
            f"--service-account-signing-key-file={pki('tokens.key')}", f"--requestheader-client-ca-file={pki('front-ca.crt')}",
            "--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki('front.crt')}", f"--proxy-client-key-file={pki('front.key')}",
            "--max-requests-inflight=3000", "--max-mutating-requests-inflight=1000",
        ]

    def _kube_controller_manager(self):
        config = self.kubeconfig("kcm")
        return [
            f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}", "--leader-elect=false",
            f"--bind-address={self.address}", f"--secure-port={self.kcm_port}", f"--root-ca-file={self.pki.path('ca.crt')}",
            f"--service-account-private-key-file={self.pki.path('tokens.key')}",
            "--use-service-account-credentials=true",  # else single controllers lack rights
            f"--flex-volume-plugin-dir={self.folder}/flex",  # the default makes folders under /usr
            "--kube-api-qps=500", "--kube-api-burst=1000", "--node-monitor-period=1s", f"--node-monitor-grace-period={self.node_grace}",
            "--profiling=false",
        ]

    def _kube_scheduler(self):
        config = self.kubeconfig("scheduler")
        settings = {
            "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "leaderElection": {"leaderElect": False},
            "podMaxBackoffSeconds": 2, "clientConnection": {"kubeconfig": config, "qps": 500, "burst": 1000},
        }
        return [
            f"--config={self.write('scheduler.json', json.dumps(settings))}", f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}", f"--bind-address={self.address}", f"--secure-port={self.scheduler_port}", "--profiling=false",
        ]

    def _kwok(self):
        return [
            f"--kubeconfig={self.kubeconfig('kwok')}", f"--config={HERE}/stages.yaml", "--manage-all-nodes=false",
            "--manage-nodes-with-label-selector=kubelet=fake", f"--node-lease-duration-seconds={self.lease_s}", "--cidr=10.0.0.0/8",
            "--node-ip=10.0.0.1", f"--server-address={self.address}:{self.kwok_port}",
        ]

    def spawn(self, name):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [self.bin / name, *self.arguments(name)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent,
                env=dict(os.environ, HOME=str(self.folder), GOGC="200"),  # kwok reads ~/.kwok; memory is cheaper than CPU here
            )

    def wait(self, name, seconds=60):
        port, scheme, path = {
            "etcd": (self.etcd_port, "http", "/health"), "kube-apiserver": (self.port, "https", "/readyz"), "kwok": (self.kwok_port, "http", "/healthz"),
            "kube-controller-manager": (self.kcm_port, "https", "/healthz"), "kube-scheduler": (self.scheduler_port, "https", "/healthz"),
        }[name]

        def ready():
            if self.processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.log').read_text(errors='replace')[-2000:]}")
            if scheme == "http":
                connection = http.client.HTTPConnection(self.address, port, timeout=2)
            else:
                connection = http.client.HTTPSConnection(self.address, port, timeout=2, context=ssl._create_unverified_context())
            try:
                connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"} if name == "kube-apiserver" else {})
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False
            finally:
                connection.close()

        self.poll(ready, seconds, f"{name} is ready")

    def start(self, name):
        self.spawn(name)
        self.wait(name)

    def end(self, name, number=signal.SIGKILL, seconds=5):
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # faults
    def restart(self, name, seconds_down=0.0):
        """kill -9, and after a while the same again."""
        self.end(name)
        time.sleep(seconds_down)
        self.start(name)

    def freeze(self, name):
        """The program is silent: connections are taken by the kernel, and nobody answers."""
        self.processes[name].send_signal(signal.SIGSTOP)
        self.frozen.add(name)

    def thaw(self, name):
        if name in self.frozen:
            self.frozen.discard(name)
            self.processes[name].send_signal(signal.SIGCONT)

    def compact(self):
        """Forgets the history in etcd. What that does to a watch depends on watch_cache."""
        def ask(path, body):
            connection = http.client.HTTPConnection(self.address, self.etcd_port, timeout=20)
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())

        revision = ask("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        return ask("/v3/kv/compaction", {"revision": revision, "physical": True})

    # for those who use it
    @staticmethod
    def poll(condition, seconds, what, every=0.05):
        end = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds} s")
            time.sleep(every)
        return result

    def client(self, token):
        return Kube(self.address, self.port, self.pki.path("ca.crt"), token)

    def account_token(self, namespace, account, **spec):
        """A ServiceAccount's token by TokenRequest: audiences=[…], boundObjectRef={…}, expirationSeconds=…"""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200, **spec}}
        return self.kube.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)["status"]["token"]

    def kubectl(self, *arguments, text=None, check=True):
        config = self.kubeconfig("admin", token=self.token)
        command = [self.bin / "kubectl", f"--kubeconfig={config}", f"--cache-dir={self.folder}/kubectl", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr or done.stdout}")
        return done

    def requests(self, user=None):
        """What ServiceAccounts have asked to be changed (audit log of the API server), in order; who was not let in has no name."""
        path = self.folder / "requests.jsonl"
        with self.audit_lock:
            if path.exists():
                with open(path, "rb") as f:
                    f.seek(self.audited_to)
                    new = f.read()
                new = new[:new.rfind(b"\n") + 1]
                self.audited_to += len(new)
                for line in new.splitlines():
                    try:
                        self.audited.append(json.loads(line))
                    except ValueError:
                        continue  # the last line of a server that was killed
            return [event for event in self.audited if user is None or event["user"].get("username") == user]
