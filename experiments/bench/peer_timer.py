"""How peers.py times a call, by the host's clock or between two events on a GPU's stream, and what
tensors made during it hold at the most, outputs included.
"""
import itertools
import os
import time

import torch

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # the profiler reports a GPU's absence as an error
SAMPLE_SECONDS = 0.01  # of a sample by the host's clock
FLUSH_BYTES = 256 * 2**20  # beyond every GPU's L2
FLUSHES = 8  # the host queues a call meanwhile, about a millisecond on an H100


class HostTimer:
    """A sample is the mean of calls that take 10 ms together."""

    method = ("One process, float32; repetitions of all operators of a size in random order; a "
              "sample is the mean of calls that take 10 ms together.")

    def calls(self, one):
        return max(1, round(SAMPLE_SECONDS / one))

    def seconds(self, task, calls=1):
        begin = time.perf_counter()
        for _ in range(calls):
            task()
        return (time.perf_counter() - begin) / calls

    def peak_bytes(self, task):
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True,
                                    acc_events=True) as profile:
            task()
        events = profile.profiler.kineto_results.events()
        changes = sorted((event for event in events if event.name() == "[memory]"),
                         key=lambda event: event.start_ns())
        return max(itertools.accumulate((change.nbytes() for change in changes), initial=0))


class EventTimer:
    """A sample is one call between two CUDA events, the L2 cache overwritten before it."""

    method = ("One process, float32 without TF32 and bfloat16; repetitions of all operators of a "
              "size in random order; a sample is one call between two CUDA events, 256 MiB written "
              f"{FLUSHES} times before it, while the host queues the call.")

    def __init__(self):
        self.flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
        self.begin, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.begin.record()  # the first time makes them
        self.end.record()

    def calls(self, one):
        return 1

    def seconds(self, task, calls=1):
        for _ in range(FLUSHES):
            self.flush.zero_()
        self.begin.record()
        for _ in range(calls):
            task()
        self.end.record()
        self.end.synchronize()
        return 1e-3 * self.begin.elapsed_time(self.end) / calls

    def peak_bytes(self, task):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        task()
        return torch.cuda.max_memory_allocated() - before
