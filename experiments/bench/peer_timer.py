"""How peers.py times a call: by the host's clock, or between two events on a GPU's stream."""
import time

import torch

SAMPLE_SECONDS = 0.01  # of a sample by the host's clock
FLUSH_BYTES = 256 * 2**20  # beyond every GPU's L2


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


class EventTimer:
    """A sample is one call between two CUDA events, the L2 cache overwritten before it."""

    method = ("One process, float32 without TF32 and bfloat16; repetitions of all operators of a "
              "size in random order; a sample is one call between two CUDA events, 256 MiB written "
              "before it.")

    def __init__(self):
        self.flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def calls(self, one):
        return 1

    def seconds(self, task, calls=1):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.flush.zero_()
        begin.record()
        for _ in range(calls):
            task()
        end.record()
        end.synchronize()
        return 1e-3 * begin.elapsed_time(end) / calls
