#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fake AWS by hand: prints what to export, then serves until it is stopped."""
import argparse
import json
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from aws import FakeAws  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="tests/fake/aws", description="Fake AWS: Auto Scaling, EC2, EKS, STS, SQS, load balancers.",
                                     epilog="Example: tests/fake/aws --port 4599 --script world.json, then curl -d '{\"seconds\": 60}' http://127.0.0.1:4599/_control/advance")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4599, help="0: any")
    parser.add_argument("--speed", type=float, default=1.0, help="of the world's clock; 0 stands still")
    parser.add_argument("--script", metavar="FILE", help='JSON list of [verb, {options}] to begin with')
    arguments = parser.parse_args()
    with FakeAws(arguments.port, arguments.address, speed=arguments.speed) as aws:
        if arguments.script:
            with open(arguments.script, encoding="utf-8") as file:
                for verb, options in json.load(file):
                    print(verb, json.dumps(getattr(aws, verb)(**options), default=str), file=sys.stderr)
        for name, value in aws.environment.items():
            print(f"export {name}={value}")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
