"""The peers from Python: their formulas, gate and rows, and that `luna` reads what they write.

Usage: peers_test.py path/to/experiments/bench path/to/luna path/to/libluna.so
"""
import argparse
import contextlib
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import torch

FOLDER, LUNA, LIBRARY = sys.argv[1:4]
sys.path.insert(0, FOLDER)
import peer_operators  # noqa: E402
import peers  # noqa: E402

torch.ops.load_library(LIBRARY)
FILTER = "^(luna|elu|listing1)/.*d:32/forward/"


def run_peers(out, *extra):
    command = [sys.executable, f"{FOLDER}/peers.py", "--luna", LUNA, "--library", LIBRARY, "--out",
               str(out), "--minutes", "0.01", "--threads", "1", "--sizes", "64", *extra]
    return subprocess.run(command, capture_output=True, text=True)


def run_luna(*arguments):
    return subprocess.run([LUNA, *map(str, arguments)], capture_output=True, text=True)


def bench(call_seconds=2.0):
    options = argparse.Namespace(luna=LUNA, minutes=1, call_seconds=call_seconds, filter="",
                                 device="cpu", force=False)
    return peers.Bench(options)


def operator_named(name):
    return next(operator for operator in peer_operators.operators() if operator.name == name)


class Peers(unittest.TestCase):
    def test_listing1_is_the_formula(self):
        tokens = peer_operators.draw_tokens((1, 2, 20, 8), 1, torch.float64)
        leaves = peer_operators.leaves_of(operator_named("listing1"), tokens, 1)
        expected = torch.ops.luna.reference_attention(*leaves[:3], "luna", leaves[3:])
        torch.testing.assert_close(peer_operators.listing1(*leaves), expected, rtol=1e-11, atol=1e-12)

    def test_gate_passes_the_fused_operators(self):
        for name in ("luna", "elu"):
            result = peer_operators.gate(operator_named(name), 32)
            self.assertLessEqual(result["max_error"], result["limit"])

    def test_gate_stops_a_wrong_operator(self):
        operator = operator_named("elu")
        right = operator.apply
        operator.apply = lambda *tensors: right(*tensors) * 1.001
        with self.assertRaisesRegex(SystemExit, "peers: elu is wrong at d 32 .*; nothing was timed"):
            peer_operators.gate(operator, 32)

    def test_what_cannot_run_takes_nothing_from_the_others(self):
        def absent(*_):
            raise ModuleNotFoundError("No module named 'fla'", name="fla")

        def broken(*_):
            raise RuntimeError("no compiler\nsecond line")

        missing, failing = operator_named("fla_elu"), operator_named("compiled_listing1")
        missing.apply, failing.apply = absent, broken
        run = bench()
        self.assertEqual([o.name for o in run.usable([missing, failing, operator_named("elu")], [32])],
                         ["elu"])
        self.assertEqual(run.content["left_out"],
                         [{"row": "compiled_listing1", "reason": "no compiler"}])

    def test_slow_or_large_calls_are_left_out(self):
        run = bench()
        row = peers.facts(operator_named("listing1"), (1, 8, 4096, 64), "forward", 1)
        run.memory = 2**40
        self.assertIsNone(run.refusal(row))
        run.slow["listing1", False, "float32", "forward", 64] = 1e-3
        self.assertEqual(run.refusal(row), "one call would take 32.8 s (limit 2)")
        run.slow.clear()
        run.memory = 2**28
        self.assertEqual(run.refusal(row), "one call would take 0.5 GiB (limit 0.2)")

    def test_a_busy_gpu_is_refused(self):
        busy = {"memory_gib": 8, "gpu": {"busy": "another process uses the GPU (70 % busy)"}}
        with mock.patch.object(peers, "environment_of", lambda options: busy):
            with self.assertRaisesRegex(SystemExit, "peers: another process .*; --force goes on"):
                bench()

    def test_noise_is_refused_as_luna_does(self):
        def row(scale, samples):
            samples = [scale * sample for sample in samples]
            return {"samples": samples, **peers.quartiles(samples)}

        quiet, noisy = [1.00, 1.01, 1.02, 1.01, 1.00], [1.0, 1.5, 1.2, 1.9, 1.1]
        slow_noisy, fast_noisy = row(1e-3, noisy), row(1e-5, noisy)
        self.assertEqual(peers.noise([]), "")
        self.assertEqual(peers.noise([row(1e-3, quiet), row(1e-3, quiet), slow_noisy]), "")
        self.assertEqual(peers.noise([row(1e-3, quiet), fast_noisy, fast_noisy]), "")
        self.assertEqual(peers.noise([row(1e-3, quiet), slow_noisy, slow_noisy]),
                         "times of 100 us and more spread over 33 % of their median "
                         "(5 % accepted)")

    def test_noisy_rows_of_a_gpu_are_not_written(self):
        def time_size(run, *_):
            samples = [1.0, 1.5, 1.2, 1.9, 1.1]
            run.content["rows"] = [{"samples": samples, **peers.quartiles(samples)}]

        idle = {"memory_gib": 8, "gpu": {"busy": "", "before": {}}}
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for name, value in {"environment_of": lambda options: copy.deepcopy(idle),
                                "model_of": lambda *_: {"ceilings": [], "rows": {}},
                                "EventTimer": peers.HostTimer, "gate": lambda *_: {}}.items():
                stack.enter_context(mock.patch.object(peers, name, value))
            stack.enter_context(mock.patch.object(peers.Bench, "time_size", time_size))
            stack.enter_context(mock.patch("torch.cuda.mem_get_info", lambda: (8, 8)))
            options = argparse.Namespace(minutes=1, call_seconds=2, filter="^elu/", device="cuda",
                                         threads="1", sizes="1k", out=folder / "rows.json",
                                         force=False)
            with self.assertRaisesRegex(SystemExit, "peers: times of 100 us .*; --force goes on"):
                peers.Bench(options).run()
            self.assertEqual(os.listdir(folder), [])
            options.force = True
            peers.Bench(options).run()
            self.assertEqual(os.listdir(folder), ["rows.json"])

    def test_sizes(self):
        self.assertEqual(list(peers.sizes_of(["A", "1k"])),
                         [(4, 2, 2048, 32)] + [(1, 8, 1024, d) for d in (32, 64, 128)])
        with self.assertRaisesRegex(SystemExit, "unknown size 'C'"):
            list(peers.sizes_of(["C"]))

    def test_sizes_of_a_gpu(self):
        self.assertEqual(list(peers.sizes_of(["B", "1k", "128k:32"], "cuda")),
                         [(1, 8, 4096, 64), (64, 16, 1024, 64), (1, 16, 131072, 32)])
        for name in ("1k:65", "C"):
            with self.assertRaisesRegex(SystemExit, f"unknown size '{name}'; known: .*, 4k:32"):
                list(peers.sizes_of([name], "cuda"))

    def test_rows_of_two_dtypes(self):
        def large(*_):
            raise torch.OutOfMemoryError("out of memory\nsecond line")

        operator, failing = operator_named("elu"), operator_named("listing1")
        failing.apply = large
        run = bench()
        run.options.filter = "/forward/"
        with mock.patch.dict(peers.DTYPES, cpu=("float32", "bfloat16")):
            run.time_size([operator, failing], (1, 2, 16, 8), 1, 0.0)
        size = "B:1/H:2/N:16/d:8/forward/threads:1"
        self.assertEqual([peers.key_of(row) for row in run.content["rows"]],
                         [f"elu/{size}", f"elu/bfloat16/{size}"])
        self.assertEqual(run.content["left_out"],
                         [{"row": f"listing1{dtype}/{size}", "reason": "out of memory"}
                          for dtype in ("", "/bfloat16")])
        self.assertEqual([len(row["samples"]) for row in run.content["rows"]], [5, 5])

    def test_without_a_gpu_it_ends_as_luna_does(self):
        if torch.cuda.is_available():
            self.skipTest("there is a CUDA device")
        with tempfile.TemporaryDirectory() as folder:
            done = run_peers(f"{folder}/unused.json", "--device", "cuda")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, "^not run: .*\n$")

    def test_memory_is_counted_as_luna_does(self):
        """What is held at one time, outputs included."""
        timer = peers.HostTimer()
        self.assertEqual(timer.peak_bytes(lambda: torch.ones(1000)), 4000)
        kept = torch.ones(1)
        def task():
            large = torch.ones(3000)
            del large
            return torch.ones(2000) + kept
        self.assertEqual(timer.peak_bytes(task), 16000)

    def test_luna_reads_the_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            out, full = pathlib.Path(folder) / "peers.json", pathlib.Path(folder) / "full.json"
            done = run_peers(out, "--filter", FILTER)
            self.assertEqual(done.returncode, 0, done.stderr)
            content = json.loads(out.read_text())
            self.assertEqual([row["operator"] for row in content["rows"]], ["luna", "elu", "listing1"])
            self.assertIn("| 64 | LUNA, eager Python, Listing 1 |", run_luna("table", out).stdout)
            run_luna("bench", "--full", "--sizes", "64", "--threads", "1", "--minutes", "1",
                     "--filter", FILTER, "--out", full)
            self.check_work(content, json.loads(full.read_text()))
            compared = run_luna("compare", full, out)
            self.assertEqual(compared.returncode, 0, compared.stderr)
            self.assertIn("3 rows compared", compared.stdout)

    def check_work(self, by_python, by_luna):
        self.assertEqual([ceiling["threads"] for ceiling in by_python["ceilings"]], [1])
        for ours, theirs in zip(by_python["rows"], by_luna["rows"]):
            for field in ("operator", "flops", "bytes"):
                self.assertEqual(ours[field], theirs[field])
            self.assertLess(abs(ours["peak_bytes"] / theirs["peak_bytes"] - 1), 0.1)
            roof = by_python["ceilings"][0]
            self.assertAlmostEqual(ours["roofline_s"] * 1e9, max(
                ours["flops"] / roof["gflops"], ours["bytes"] / roof["gb_s"]))

    def test_a_peer_of_python_alone_has_the_work_of_its_model(self):
        run = bench()
        run.work = {"listing1/B:1/H:2/N:16/d:8/forward/threads:1":
                    {"flops": 3.0, "bytes": 2.0, "roofline_s": 1.0}}
        run.options.filter = "/forward/"
        operator = operator_named("compiled_listing1")
        operator.apply = peer_operators.listing1
        run.time_size([operator], (1, 2, 16, 8), 1, 0.0)
        self.assertEqual([(row["operator"], row["flops"]) for row in run.content["rows"]],
                         [("compiled_listing1", 3.0)])

    def test_a_filter_that_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run_peers(f"{folder}/unused.json", "--filter", "lnua")
        self.assertEqual((done.returncode, done.stderr.strip().split("\n")[-1]),
                         (1, "peers: --filter 'lnua' leaves no row"))

    def test_times_are_finite(self):
        for option in ("--minutes", "--call-seconds"):
            for text in ("nan", "inf", "0"):
                with tempfile.TemporaryDirectory() as folder:
                    result = run_peers(pathlib.Path(folder) / "rows.json", f"{option}={text}")
                self.assertEqual(result.returncode, 2)
                self.assertIn(f"argument {option}: '{text}' is no finite number above 0", result.stderr)

    def test_a_second_run_into_a_file_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "peers.json"
            with peers.lock_of(out), self.assertRaisesRegex(
                    SystemExit, f"peers.json is in use by process {os.getpid()}; wait for it, or "):
                with peers.lock_of(out):
                    pass
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
