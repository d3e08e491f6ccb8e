"""Peers that only Python has, beside the fused operators in one process: torch.compile of Listing 1
and, where importable, flash-linear-attention. Same sizes, seeds and rows as `luna bench --full`
(reports/bench/rows.h), so that `luna table` and `luna compare` read them.

Usage: peers.py --luna build/luna --library build/libluna.so --out results/quick/bench-peers.json
"""
import argparse
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import time

import torch
from peer_operators import HID, L, M, gate, leaves_of, operators

NAMED = {"A": (4, 2, 2048, 32), "B": (1, 8, 4096, 64)}  # B, H, N, d
SWEEP = ["A", "B", "64", "256", "1k", "4k", "16k", "64k"]
HEAD_SIZES = (32, 64, 128)
PASSES = ("forward", "forward_backward")
SAMPLE_SECONDS, FEWEST, MOST = 0.01, 5, 30


def task_of(operator, leaves, upstream, which):
    def forward():
        with torch.no_grad():
            operator.apply(*leaves)

    def both():
        torch.autograd.grad(operator.apply(*leaves), leaves, upstream)

    return forward if which == "forward" else both


def seconds_of(task, calls=1):
    begin = time.perf_counter()
    for _ in range(calls):
        task()
    return (time.perf_counter() - begin) / calls


def key_of(row):
    causal = "/causal" if row["causal"] else ""
    return (f"{row['operator']}/B:{row['B']}/H:{row['H']}/N:{row['N']}/d:{row['d']}{causal}"
            f"/{row['pass']}/threads:{row['threads']}")


def facts(operator, size, which, threads):
    B, H, N, d = size
    return {"operator": operator.name, "label": operator.label, "map": operator.map,
            "kind": operator.kind, "B": B, "H": H, "N": N, "d": d,
            "D": M * L if operator.learned else d, "causal": operator.causal, "pass": which,
            "threads": threads}


def quartiles(samples):
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"min_s": min(samples), "q1_s": low, "median_s": middle, "q3_s": high}


def sizes_of(names):
    for name in names:
        if name in NAMED:
            yield NAMED[name]
            continue
        number = re.fullmatch(r"([1-9][0-9]{0,7})(k?)", name)
        if not number:
            raise SystemExit(f"peers: unknown size '{name}'; known: A, B and numbers of tokens "
                             "such as 64 or 4k")
        tokens = int(number[1]) * (1024 if number[2] else 1)
        yield from ((1, 8, tokens, d) for d in HEAD_SIZES)


def open_locked(out):
    """The lock file of `out`, open and locked. As experiments/train/lock.h has it: whoever holds the
    lock removes the file, so that one that is gone once it is locked is none."""
    while True:
        file = open(f"{out}.lock", "a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SystemExit(f"peers: {out} is in use by process {file.read() or 'unknown'}; wait "
                             "for it, or choose another file with --out") from None
        if os.path.exists(file.name) and os.path.samestat(os.fstat(file.fileno()), os.stat(file.name)):
            return file
        file.close()


@contextlib.contextmanager
def lock_of(out):
    """The lock of that file, `luna bench`'s own."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_locked(out) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            os.unlink(file.name)


class Bench:
    def __init__(self, options):
        self.options = options
        environment = json.loads(
            subprocess.run([options.luna, "bench", "--environment"], check=True,
                           capture_output=True, text=True).stdout)
        self.content = {
            "schema": 1, "kind": "rows", "environment": environment,
            "method": "One process, float32; repetitions of all operators of a size in random "
                      "order; a sample is the mean of calls that take 10 ms together.",
            "options": {"minutes": options.minutes, "call_seconds": options.call_seconds},
            "ceilings": [], "gate": [], "left_out": [], "rows": []}
        self.memory = environment["memory_gib"] / 2 * 2**30
        self.slow = {}  # operator, pass, d -> seconds a token-head at the largest N so far

    def leave_out(self, row, reason):
        self.content["left_out"].append({"row": row, "reason": reason})
        print(f"not timed: {row}: {reason}", flush=True)

    def usable(self, listed, head_sizes):
        for operator in listed:
            try:
                self.content["gate"] += [gate(operator, d) for d in head_sizes]
                yield operator
            except ModuleNotFoundError as error:
                if (error.name or "").split(".")[0] != "fla":
                    raise
                print("not run: flash-linear-attention is not installed", flush=True)
            except Exception as error:  # a peer that cannot run here takes nothing from the others
                if operator.kind in ("fused", "eager"):
                    raise
                self.leave_out(operator.name, str(error).strip().split("\n")[0])

    def refusal(self, row):
        tokens = row["B"] * row["H"] * row["N"]
        seconds = tokens * self.slow.get((row["operator"], row["pass"], row["d"]), 0)
        if seconds > self.options.call_seconds:
            return f"one call would take {seconds:.1f} s (limit {self.options.call_seconds:g})"
        kept = tokens * M * HID * 4 * 4  # hidden layers of q and k and their gradients
        if row["kind"] in ("eager", "compiled") and kept > self.memory:
            return f"one call would take {kept / 2**30:.1f} GiB (limit {self.memory / 2**30:.1f})"
        return None

    def rows_of(self, listed, size, threads):
        for operator, which in itertools.product(listed, PASSES):
            row = facts(operator, size, which, threads)
            if not self.wanted(row):
                continue
            reason = self.refusal(row)
            if reason:
                self.leave_out(key_of(row), reason)
            else:
                yield operator, row

    def time_size(self, listed, size, threads, seconds):
        torch.set_num_threads(threads)
        torch._dynamo.reset()  # one compiled form a size, not the last eight sizes'
        upstream = torch.ones(size)
        timed, one_round = [], 0.0
        for operator, row in self.rows_of(listed, size, threads):
            task = task_of(operator, leaves_of(operator, size, 1), upstream, row["pass"])
            task()  # compiles
            one = min(seconds_of(task), seconds_of(task))
            self.slow[operator.name, row["pass"], row["d"]] = one / (size[0] * size[1] * size[2])
            row.update(calls=max(1, round(SAMPLE_SECONDS / one)), samples=[])
            one_round += one * row["calls"]
            timed.append((task, row))
        order = random.Random(1)
        repetitions = max(FEWEST, min(MOST, int(seconds / max(one_round, 1e-9))))
        for _ in range(repetitions):
            for task, row in order.sample(timed, len(timed)):
                row["samples"].append(seconds_of(task, row["calls"]))
        self.content["rows"] += [{**row, **quartiles(row["samples"])} for _, row in timed]

    def save(self):
        out = pathlib.Path(self.options.out)
        part = out.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n")
        part.replace(out)

    def groups(self):
        """Size and number of threads of those groups that have a row under the filter."""
        threads = [int(number) for number in self.options.threads.split(",")]
        found = [(size, count)
                 for size in sizes_of(self.options.sizes.split(",")) for count in threads
                 if any(self.has_rows(operator, size, count) for operator in operators())]
        if not found:
            raise SystemExit(f"peers: --filter '{self.options.filter}' leaves no row")
        return found

    def wanted(self, row):
        return re.search(self.options.filter, key_of(row))

    def has_rows(self, operator, size, threads):
        return any(self.wanted(facts(operator, size, which, threads)) for which in PASSES)

    def run(self):
        groups = self.groups()
        wanted = [operator for operator in operators()
                  if any(self.has_rows(operator, size, count) for size, count in groups)]
        listed = list(self.usable(wanted, sorted({size[3] for size, _ in groups})))
        print(f"gate passed: {', '.join(operator.name for operator in listed)}", flush=True)
        self.begin = time.perf_counter()
        for i, (size, count) in enumerate(groups):
            left = 60 * self.options.minutes - (time.perf_counter() - self.begin)
            if left <= 0:
                B, H, N, d = size
                self.leave_out(f"B {B}, H {H}, N {N}, d {d}, {count} threads",
                               f"the {self.options.minutes:g} minutes were over")
                continue
            self.time_size(listed, size, count, left / (len(groups) - i) / 2)
            self.save()
            print(f"[{i + 1}/{len(groups)}] N {size[2]}, d {size[3]}, {count} threads; at most "
                  f"{max(left, 0):.0f} s to go", flush=True)
        self.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--luna", required=True, help="the program luna")
    parser.add_argument("--library", required=True, help="libluna.so")
    parser.add_argument("--out", required=True, help="file of rows")
    parser.add_argument("--sizes", default=",".join(SWEEP),
                        help="A, B or numbers of tokens, by comma")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, by comma")
    parser.add_argument("--filter", default="", help="regular expression on rows")
    parser.add_argument("--minutes", type=float, default=30, help="for everything together")
    parser.add_argument("--call-seconds", type=float, default=2, help="longer calls are left out")
    options = parser.parse_args()
    torch.ops.load_library(str(pathlib.Path(options.library).resolve()))
    with lock_of(pathlib.Path(options.out)):
        Bench(options).run()


if __name__ == "__main__":
    main()
