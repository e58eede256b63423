# SPDX-License-Identifier: Apache-2.0
"""The world's time: it runs at a speed of its own, stands still at 0, and jumps when told.

Whatever is due runs in order, and sees its own due time as now(): two hours pass in a millisecond and end as they would have.
"""
import heapq
import itertools
import time


class Clock:
    def __init__(self, start=None, speed=1.0):
        self.base, self.mark, self.factor = time.time() if start is None else start, time.monotonic(), speed
        self.heap, self.order, self.pinned, self.on_change = [], itertools.count(), None, lambda: None

    def now(self):
        if self.pinned is not None:
            return self.pinned
        return self.base + (time.monotonic() - self.mark) * self.factor

    def set_speed(self, factor):
        self.base, self.mark, self.factor = self.now(), time.monotonic(), factor
        self.on_change()

    def after(self, seconds, call, *arguments):
        """Something to happen; cancel() takes it back."""
        timer = [self.now() + seconds, next(self.order), call, arguments]
        heapq.heappush(self.heap, timer)
        self.on_change()
        return timer

    @staticmethod
    def cancel(timer):
        if timer:
            timer[2] = None

    def run_until(self, when):
        while self.heap and self.heap[0][0] <= when:
            due, _, call, arguments = heapq.heappop(self.heap)
            if call:
                self.pinned = due
                try:
                    call(*arguments)
                finally:
                    self.pinned = None

    def advance(self, seconds):
        end = self.now() + seconds
        self.run_until(end)
        self.base, self.mark = max(end, self.base), time.monotonic()
        self.on_change()

    def wait_s(self):
        """Real seconds until something is due; None if nothing will be while nobody turns the clock."""
        while self.heap and self.heap[0][2] is None:
            heapq.heappop(self.heap)
        if not self.heap or not self.factor:
            return None
        return max(0.0, (self.heap[0][0] - self.now()) / self.factor)
