# SPDX-License-Identifier: Apache-2.0
"""The line (DESIGN 2 and 3) as data: which module may include which.

A module may include itself, the modules of its USES_ALWAYS, and what stands before it in its program's line. Modules
in one tuple stand side by side and do not know each other.
"""

PROTO = [("proto/base",), ("proto/wire",), ("proto/loop",)]
AGENT = [("bpf",), ("agent/probe", "agent/proc", "agent/imds"), ("agent/window",), ("agent/send",), ("agent/self",), ("agent",)]
AGGREGATOR = [
    ("aggregator/intake",),
    ("aggregator/store",),
    ("aggregator/kube", "aggregator/cloud"),
    ("aggregator/sim",),
    ("aggregator/fleet", "aggregator/market"),
    ("aggregator/forecast/model",),
    ("aggregator/forecast",),
    ("aggregator/risk",),
    ("aggregator/decide",),
    ("aggregator/act",),
    ("aggregator/audit",),
    ("aggregator/learn",),
    ("aggregator/show/web",),
    ("aggregator/show",),
    ("aggregator/cli",),
]
LINES = [PROTO, PROTO + AGENT, PROTO + AGGREGATOR]

# The files that know every module of their program, and nothing includes them.
KNOWS_ALL = ("agent/main.c", "aggregator/main.c", "aggregator/line.c", "aggregator/line.h", "aggregator/config.c", "aggregator/config.h",
    "aggregator/cluster.c", "aggregator/cluster.h", "aggregator/demo.c", "aggregator/demo.h", "aggregator/asked.c", "aggregator/aws_door.c", "aggregator/aws_door.h", "aggregator/asked.h", "aggregator/interruption.c", "aggregator/interruption.h", "aggregator/view.c", "aggregator/view.h", "aggregator/cli/main.c")

# What a pure module must not reach, by header and by call. The value of decide is that recorded views, policy and now
# give a byte-equal plan.
PURE = ("aggregator/decide", "aggregator/risk", "aggregator/forecast/model", "agent/window")
IMPURE_HEADERS = (
    "proto/loop/", "proto/base/log.h", "aggregator/store/store.h", "aggregator/kube/", "aggregator/cloud/",
    "uv.h", "nng/", "curl/", "sqlite3.h", "microhttpd.h", "openssl/", "fcntl.h", "unistd.h", "dirent.h", "poll.h",
    "sys/socket.h", "sys/stat.h", "sys/mman.h", "sys/ioctl.h", "netdb.h", "netinet/", "arpa/", "pthread.h", "threads.h",
)
IMPURE_CALLS = (
    "fopen", "fdopen", "open", "openat", "read", "pread", "write", "pwrite", "printf", "fprintf", "puts", "fputs", "perror",
    "time", "clock", "clock_gettime", "gettimeofday", "random", "drand48", "getrandom", "getenv", "sleep", "usleep", "nanosleep",
)


def module_of(path):
    """The module that a file belongs to, or None: the longest known folder above it."""
    known = {m for line in LINES for rank in line for m in rank}
    folder = path.rpartition("/")[0]
    while folder:
        if folder in known:
            return folder
        folder = folder.rpartition("/")[0]
    return None


def may_include(module, other):
    """Whether module may include a header of other."""
    if module == other:
        return True
    for line in LINES:
        rank = {m: i for i, modules in enumerate(line) for m in modules}
        if module in rank and other in rank and rank[other] < rank[module]:
            return True
    return False
