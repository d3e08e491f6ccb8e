"""Peers that only Python has, beside the fused operators in one process: torch.compile of Listing 1
and, where importable, flash-linear-attention. Same sizes and rows as `luna bench --full` and `luna
bench --device cuda` (reports/bench/rows.h), so that `luna table` and `luna compare` read them.

Usage: peers.py --luna build/luna --library build/libluna.so --out results/quick/bench-peers.json
                [--device cuda]
"""
import argparse
import contextlib
import fcntl
import itertools
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import torch
from peer_operators import HID, M, draw_tokens, gate, leaves_of, operators
from peer_rows import (DTYPES, PASSES, SWEEPS, facts, key_of, kind_of, noise, quartiles,
                       sizes_of)
from peer_timer import EventTimer, HostTimer

FEWEST, MOST = 5, 30


def task_of(operator, leaves, upstream, which):
    def forward():
        with torch.no_grad():
            operator.apply(*leaves)

    def both():
        torch.autograd.grad(operator.apply(*leaves), leaves, upstream)

    return forward if which == "forward" else both


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
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(file.name)):
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


def said_by_luna(options, *arguments):
    """What `luna bench` prints; ends the program as it does where there is no GPU."""
    done = subprocess.run([options.luna, "bench", "--device", options.device, *arguments],
                          capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def environment_of(options):
    return said_by_luna(options, "--environment")


def model_of(options, sizes, names):
    """Ceilings of this machine, and what rows of those operators have to do, by key."""
    kind = ["--full", "--threads", options.threads] if options.device == "cpu" else []
    return said_by_luna(options, "--model", "--sizes", sizes, "--filter",
                        f"^({'|'.join(names)})/", *kind)


class Bench:
    def __init__(self, options):
        self.options = options
        environment = environment_of(options)
        self.refuse(environment.get("gpu", {}).pop("busy", ""))
        self.timer = EventTimer() if options.device == "cuda" else HostTimer()
        self.content = {
            "schema": 1, "kind": "rows", "environment": environment, "method": self.timer.method,
            "options": {"minutes": options.minutes, "call_seconds": options.call_seconds},
            "ceilings": [], "gate": [], "left_out": [], "rows": []}
        self.memory = environment["memory_gib"] / 2 * 2**30
        if options.device == "cuda":
            self.memory = torch.cuda.mem_get_info()[1]
        self.work = {}  # key of a row of `luna bench` -> operations, bytes and seconds at the least
        self.slow = {}  # kind_of(row) -> seconds a token-head at the largest N so far

    def refuse(self, problem):
        if not problem:
            return
        if not self.options.force:
            raise SystemExit(f"peers: {problem}; --force goes on nevertheless")
        print(problem, flush=True)

    def leave_out(self, row, reason):
        self.content["left_out"].append({"row": row, "reason": reason})
        print(f"not timed: {row}: {reason}", flush=True)

    def usable(self, listed, head_sizes):
        for operator in listed:
            try:
                self.content["gate"] += [gate(operator, d, self.options.device)
                                         for d in head_sizes]
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
        seconds = tokens * self.slow.get(kind_of(row), 0)
        if seconds > self.options.call_seconds:
            return f"one call would take {seconds:.1f} s (limit {self.options.call_seconds:g})"
        kept = tokens * M * HID * 4 * 4  # hidden layers of q and k and their gradients
        if row["kind"] in ("eager", "compiled") and kept > self.memory:
            return f"one call would take {kept / 2**30:.1f} GiB (limit {self.memory / 2**30:.1f})"
        return None

    def rows_of(self, listed, size, threads):
        for row in itertools.chain.from_iterable(
                self.facts_of(operator, size, threads) for operator in listed):
            reason = self.refusal(row)
            if reason:
                self.leave_out(key_of(row), reason)
            else:
                yield row

    def prepare(self, operator, row, tokens, upstream):
        """The task of a row that fills in what is known before its samples, and its seconds."""
        task = task_of(operator, leaves_of(operator, tokens, 1), upstream, row["pass"])
        task()  # compiles
        one = min(self.timer.seconds(task), self.timer.seconds(task))
        self.slow[kind_of(row)] = one / (row["B"] * row["H"] * row["N"])
        modelled = key_of({**row, "operator": operator.model or operator.name})
        row.update(self.work.get(modelled, {}), peak_bytes=self.timer.peak_bytes(task),
                   calls=self.timer.calls(one), samples=[])
        return task, one * row["calls"]

    def time_size(self, listed, size, threads, seconds):
        torch.set_num_threads(threads)
        torch._dynamo.reset()  # one compiled form a size, not the last eight sizes'
        by_name = {(operator.name, operator.causal): operator for operator in listed}
        tokens = {dtype: draw_tokens(size, 1, getattr(torch, dtype), self.options.device)
                  for dtype in DTYPES[self.options.device]}
        timed, one_round = [], 0.0
        for row in self.rows_of(listed, size, threads):
            drawn = tokens[row.get("dtype", "float32")]
            try:
                task, round_s = self.prepare(by_name[row["operator"], row["causal"]], row, drawn,
                                             torch.ones_like(drawn[0]))
            except RuntimeError as error:  # out of memory, or not compiled
                self.leave_out(key_of(row), str(error).strip().split("\n")[0])
                continue
            one_round += round_s
            timed.append((task, row))
        order = random.Random(1)
        repetitions = max(FEWEST, min(MOST, int(seconds / max(one_round, 1e-9))))
        for _ in range(repetitions):
            for task, row in order.sample(timed, len(timed)):
                row["samples"].append(self.timer.seconds(task, row["calls"]))
        self.content["rows"] += [{**row, **quartiles(row["samples"])} for _, row in timed]

    def save(self):
        out = pathlib.Path(self.options.out)
        part = out.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n")
        part.replace(out)

    def sizes(self):
        return self.options.sizes or SWEEPS[self.options.device]

    def groups(self):
        """Size and number of threads of those groups that have a row under the filter."""
        options = self.options
        threads = [int(number) for number in options.threads.split(",")]
        sizes = sizes_of(self.sizes().split(","), options.device)
        found = [(size, count) for size in dict.fromkeys(sizes)
                 for count in (threads if options.device == "cpu" else [1])
                 if any(self.facts_of(operator, size, count) for operator in operators())]
        if not found:
            raise SystemExit(f"peers: --filter '{self.options.filter}' leaves no row")
        return found

    def facts_of(self, operator, size, threads):
        """Rows of an operator under the filter."""
        rows = [facts(operator, size, which, threads, dtype)
                for dtype in DTYPES[self.options.device] for which in PASSES]
        return [row for row in rows if re.search(self.options.filter, key_of(row))]

    def run(self):
        groups = self.groups()
        wanted = [operator for operator in operators()
                  if any(self.facts_of(operator, size, count) for size, count in groups)]
        listed = list(self.usable(wanted, sorted({size[3] for size, _ in groups})))
        print(f"gate passed: {', '.join(operator.name for operator in listed)}", flush=True)
        model = model_of(self.options, self.sizes(),
                         {operator.model or operator.name for operator in wanted})
        self.content["ceilings"], self.work = model["ceilings"], model["rows"]
        self.begin = time.perf_counter()
        for i, (size, count) in enumerate(groups):
            left = 60 * self.options.minutes - (time.perf_counter() - self.begin)
            if left <= 0:
                B, H, N, d = size
                self.leave_out(f"B {B}, H {H}, N {N}, d {d}, {count} threads",
                               f"the {self.options.minutes:g} minutes were over")
                continue
            self.time_size(listed, size, count, left / (len(groups) - i) / 2)
            if self.options.device == "cpu":  # a GPU's rows may yet be refused
                self.save()
            print(f"[{i + 1}/{len(groups)}] N {size[2]}, d {size[3]}, {count} threads; at most "
                  f"{max(left, 0):.0f} s to go", flush=True)
        if self.options.device == "cuda":
            self.refuse(noise(self.content["rows"]))
            after = environment_of(self.options)["gpu"]["before"]
            self.content["environment"]["gpu"]["after"] = after
        self.save()


def positive(text):
    """A finite time; nan minutes would never be over."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no finite number above 0")
    return float(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--luna", required=True, help="the program luna")
    parser.add_argument("--library", required=True, help="libluna.so")
    parser.add_argument("--out", required=True, help="file of rows")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", help="A, B or numbers of tokens, by comma")
    parser.add_argument("--threads", default="1,2", help="numbers of threads of a CPU, by comma")
    parser.add_argument("--filter", default="", help="regular expression on rows")
    parser.add_argument("--force", action="store_true", help="on a busy or noisy GPU, too")
    parser.add_argument("--minutes", type=positive, default=30, help="for everything together")
    parser.add_argument("--call-seconds", type=positive, default=2, help="longest call timed")
    options = parser.parse_args()
    torch.ops.load_library(str(pathlib.Path(options.library).resolve()))
    with lock_of(pathlib.Path(options.out)):
        Bench(options).run()


if __name__ == "__main__":
    main()
