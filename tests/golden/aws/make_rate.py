#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What botocore's adaptive rate limiter does with a random history: tests/golden/aws/rate.csv

    pip install botocore==1.44.5 && tests/golden/aws/make_rate.py > tests/golden/aws/rate.csv

seconds,event,throttled,value: event "answer" gives the rate after it, event "send" whether a token was there (1) or not (0).
"""
import random

from botocore.exceptions import CapacityNotAvailableError
from botocore.retries import adaptive, bucket, throttling

RANDOM = random.Random(4)


class Clock:
    now = 1000.25

    def current_time(self):
        return self.now


class Detector:
    throttled = False

    def is_throttling_error(self, **_):
        return self.throttled


clock, detector = Clock(), Detector()
tokens = bucket.TokenBucket(max_rate=1, clock=clock)
limiter = adaptive.ClientRateLimiter(
    throttling.CubicCalculator(starting_max_rate=0, start_time=clock.now), adaptive.RateClocker(clock), tokens, detector, clock
)
print(f"{clock.now!r},start,0,0")
enabled = False
for i in range(1500):
    clock.now += RANDOM.expovariate(8 if i % 300 < 200 else 2)
    if enabled and RANDOM.random() < 0.6:
        try:
            tokens.acquire(block=False)
            value = 1
        except CapacityNotAvailableError:
            value = 0
        print(f"{clock.now!r},send,0,{value}")
        continue
    detector.throttled = i > 40 and RANDOM.random() < 0.04
    enabled = enabled or detector.throttled
    limiter.on_receiving_response()
    print(f"{clock.now!r},answer,{int(detector.throttled)},{tokens.max_rate!r}")
