"""Rows of peers.py: sizes, dtypes and passes, and how reports/bench/rows.h names them."""
import re
import statistics

from peer_operators import L, M

NAMED = {"A": (4, 2, 2048, 32), "B": (1, 8, 4096, 64)}  # B, H, N, d
SWEEPS = {"cpu": "A,B,64,256,1k,4k,16k,64k", "cuda": "1k,4k,16k"}
HEAD_SIZES = (32, 64, 128)
GPU_TOKENS, GPU_HEADS, GPU_HEAD_SIZE = 65536, 16, 64  # B N, H, d: as sweep_sizes() of sweep.h
DTYPES = {"cpu": ("float32",), "cuda": ("float32", "bfloat16")}
PASSES = ("forward", "forward_backward")
MOST_SPREAD, HOST_BOUND = 0.05, 100e-6  # of a GPU's rows; shorter calls wait for the host


def key_of(row):
    causal = "/causal" if row["causal"] else ""
    dtype = f"/{row['dtype']}" if "dtype" in row else ""
    return (f"{row['operator']}{dtype}/B:{row['B']}/H:{row['H']}/N:{row['N']}/d:{row['d']}{causal}"
            f"/{row['pass']}/threads:{row['threads']}")


def kind_of(row):
    """What no other size changes."""
    return (row["operator"], row["causal"], row.get("dtype", "float32"), row["pass"], row["d"])


def facts(operator, size, which, threads, dtype="float32"):
    B, H, N, d = size
    named = {} if dtype == "float32" else {"dtype": dtype}
    return {**named, "operator": operator.name, "label": operator.label, "map": operator.map,
            "kind": operator.kind, "B": B, "H": H, "N": N, "d": d,
            "D": M * L if operator.learned else d, "causal": operator.causal, "pass": which,
            "threads": threads}


def quartiles(samples):
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"min_s": min(samples), "q1_s": low, "median_s": middle, "q3_s": high}


def noise(rows):
    """Why rows of a GPU are no result, or ""; as noise() of experiments/bench/cuda_admission.h."""
    spreads = [(row["q3_s"] - row["q1_s"]) / row["median_s"] for row in rows
               if row["median_s"] >= HOST_BOUND]
    spread = statistics.median(spreads) if spreads else 0
    if spread <= MOST_SPREAD:
        return ""
    return (f"times of 100 us and more spread over {100 * spread:.0f} % of their median "
            f"({100 * MOST_SPREAD:.0f} % accepted)")


def sizes_of(names, device="cpu"):
    for name in names:
        if name in NAMED:
            yield NAMED[name]
            continue
        number = re.fullmatch(r"([1-9][0-9]{0,7})(k?)(:(32|64|128))?", name)
        if not number or (device == "cpu" and number[3]):
            raise SystemExit(f"peers: unknown size '{name}'; known: A, B and numbers of tokens "
                             "such as 64 or 4k" + (", 4k:32" if device == "cuda" else ""))
        tokens = int(number[1]) * (1024 if number[2] else 1)
        if device == "cuda":
            yield max(1, GPU_TOKENS // tokens), GPU_HEADS, tokens, int(number[4] or GPU_HEAD_SIZE)
        else:
            yield from ((1, 8, tokens, d) for d in HEAD_SIZES)
