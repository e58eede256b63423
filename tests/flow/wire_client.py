#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the wire written from WIRE.md alone: sends one sample, prints the receipt.

usage: wire_client.py PORT CLUSTER NODE [CA CERT KEY]     (without certificates: an insecure lane)
"""
import os
import socket
import ssl
import struct
import sys
import time


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data):
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n
    while at < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        fields[key >> 3] = value
    return fields


def frame_of(kind, boot, sequence, body):
    rest = struct.pack("<BBHIII16sQ", 1, kind, 0, len(body), len(body), 0, boot, sequence) + body
    return b"PTRL" + struct.pack("<I", crc32c(rest)) + rest


def read(conn, n):
    data = b""
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            sys.exit("the aggregator closed the connection")
        data += more
    return data


def main():
    port, cluster, node, *files = sys.argv[1:]
    conn = socket.create_connection(("127.0.0.1", int(port)), timeout=10)
    if files:
        context = ssl.create_default_context(cafile=files[0])
        context.load_cert_chain(files[1], files[2])
        conn = context.wrap_socket(conn, server_hostname="localhost")
    conn.sendall(bytes.fromhex("0053500000300000"))
    assert read(conn, 8) == bytes.fromhex("0053500000310000"), "the other side is no REP socket"
    cpu_usage = field(1, varint(0)) + field(2, varint(2 * 123456789))  # METRIC_CPU_USAGE, zigzag
    sample = (field(1, cluster.encode()) + field(2, node.encode()) + field(8, time.time_ns() // 1000000) +
              field(10, 1000) + field(20, cpu_usage))
    boot = os.urandom(16)
    request = struct.pack(">I", 0x80000001) + frame_of(1, boot, 1, sample)
    conn.sendall(struct.pack(">Q", len(request)) + request)
    reply = read(conn, struct.unpack(">Q", read(conn, 8))[0])
    assert reply[:4] == request[:4] and reply[4:8] == b"PTRL" and reply[13] == 3
    assert crc32c(reply[12:]) == struct.unpack("<I", reply[8:12])[0]
    receipt = parse(reply[4 + 48:])
    assert receipt[1] == boot
    print(f"contiguous={receipt.get(2, 0)} refused={receipt.get(5, 0)} server_ms={receipt.get(3, 0)}")


if __name__ == "__main__":
    main()
