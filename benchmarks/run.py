"""Measure, in one run beside the peers: ``python benchmarks/run.py [--rounds N] [--write FILE]``.

Each contender has a process of its own, and they take turns. What is reported
are ratios of the best rounds: absolute times hold for one machine and one day.
"""

import argparse
import contextlib
import importlib.util
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
SCALAR = "rustygrad python, micrograd-style"
MLP = "rustygrad python, MLP"
C_SCALAR = "rustygrad c, micrograd-style"
C_MLP = "rustygrad c, MLP"
PYTORCH = "PyTorch eager, whole batch"
SAME_PROGRAM = ("micrograd", SCALAR, C_SCALAR)
STARTS = {
    "python": "pass",
    "pluggy": "import pluggy",
    "pluggy and importlib.metadata": "import pluggy, importlib.metadata",
    "rustygrad": "from rustygrad import Value; Value(1.0)",
}


#: Who makes graphs node by node, and how many rounds it gets at the most.
NODES = {"float": 100, "c": 100, "python": 5, "micrograd": 3}


class Contender:
    """A process that runs one step whenever it is told to."""

    def __init__(self, script: str, *arguments: object) -> None:
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def step(self) -> list[float]:
        """What it measured."""
        print(file=self.process.stdin, flush=True)
        return [float(number) for number in self.process.stdout.readline().split()]

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@contextlib.contextmanager
def running(contenders: dict):
    """The contenders by name, stopped in the end."""
    try:
        yield contenders
    finally:
        for contender in contenders.values():
            contender.stop()


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def race(names: list[str], rounds: int, collector: str) -> dict:
    """The times of each contender, taking turns."""
    times = {name: [] for name in names}
    with running({n: Contender("contender.py", n, collector) for n in names}) as contenders:
        for i in range(rounds):
            progress(f"round {i + 1} of {rounds}, collector {collector}")
            results = set()
            for name, contender in contenders.items():
                seconds, result = contender.step()
                times[name].append(seconds)
                if name in SAME_PROGRAM:
                    results.add(result)
            # micrograd keeps children in a set, so its last bits change from run to run
            rounded = {round(result, 6) for result in results}
            assert len(rounded) < 2, f"the contenders disagree about the loss: {results}"
    progress("")
    return times


def node_race(names: list[str], shape: str, size: int, rounds: int) -> dict:
    """What each contender measured of a graph, by node, round by round."""
    seen = {name: [] for name in names}
    with running({n: Contender("nodes.py", n, shape, size) for n in names}) as contenders:
        for i in range(rounds):
            progress(f"round {i + 1} of {rounds}, {size} nodes of {shape}")
            for name, contender in contenders.items():
                if i < NODES[name]:
                    seen[name].append(contender.step())
    progress("")
    return seen


def starts(rounds: int) -> dict:
    """The times of a process from start to end, by what it runs."""
    times = {name: [] for name in STARTS}
    for _ in range(rounds):
        for name, code in STARTS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times[name].append(time.perf_counter() - started)
    return times


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    return platform.processor() or platform.machine()


def table(title: str, times: dict) -> list[str]:
    """A step's times in F and beside micrograd, by the best round and by the median."""
    best = {name: min(seconds) for name, seconds in times.items()}
    middle = {name: statistics.median(seconds) for name, seconds in times.items()}
    lines = ["", f"## {title}", ""]
    lines += ["| who | best ms | in F | times micrograd | median ms | times micrograd |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name in times:
        ratios = ["", ""]
        if name != "F":
            ratios = [f"{t['micrograd'] / t[name]:.2f}" for t in (best, middle)]
        lines.append(
            f"| {name} | {1e3 * best[name]:.2f} | {best[name] / best['F']:.3g} | {ratios[0]} "
            f"| {1e3 * middle[name]:.2f} | {ratios[1]} |"
        )
    return lines


def node_table(title: str, seen: dict) -> list[str]:
    """What a node costs: the best rounds, and the memory of the first."""
    lines = ["", f"## {title}", ""]
    lines += ["| who | build ns | over float | backward ns | free ns | bytes |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    float_ns = min(row[0] for row in seen["float"])
    for name, rows in seen.items():
        build, backward, free, _ = (min(column) for column in zip(*rows))
        if name == "float":
            lines.append(f"| {name} | {build:.1f} | 1.0 | | | |")
        else:
            lines.append(
                f"| {name} | {build:.1f} | {build / float_ns:.1f} | {backward:.1f} | {free:.1f} "
                f"| {rows[0][3]:.1f} |"
            )
    return lines


def target_table(off: dict, on: dict, nodes: dict) -> list[str]:
    """What the engine in C is to reach, and what it reached here, by the best rounds."""
    small, large, sums, huge = nodes.values()

    def per_float(seen: dict, column: int) -> float:
        return min(row[column] for row in seen["c"]) / min(row[0] for row in seen["float"])

    rows = [
        ("micrograd-style step, in F", 1.6, min(off[C_SCALAR]) / min(off["F"])),
        ("`MLP` and `SGD`, a step, in F", 0.08, min(on[C_MLP]) / min(on["F"])),
        ("making a node, over a float operation, 400 in a graph", 2.0, per_float(small, 0)),
        ("the same, 10^6 in a graph", 2.5, per_float(large, 0)),
        ("backward of a node, over a float operation, 10^6 in a graph", 40 / 24, per_float(large, 1)),
        ("the same of `c = c + a`", 40 / 24, per_float(sums, 1)),
        ("backward of a node of 10^7, over one of 10^6", 1.0,
         min(row[1] for row in huge["c"]) / min(row[1] for row in large["c"])),
        ("bytes of a node, 10^6 in a graph", 96, sums["c"][0][3]),
    ]  # fmt: skip
    lines = ["", "## The engine in C, beside its targets", ""]
    lines += ["| what | at most | here | |", "| --- | ---: | ---: | --- |"]
    for what, most, here in rows:
        verdict = "met" if here <= most else f"missed by {100 * (here / most - 1):.1f} %"
        lines.append(f"| {what} | {most:.3g} | {here:.3g} | {verdict} |")
    return lines


def start_table(title: str, times: dict) -> list[str]:
    """How long programs take, and how much of that is more than bare Python."""
    lines = ["", f"## {title}", ""]
    lines += ["| what | best ms | more than bare Python, ms |", "| --- | ---: | ---: |"]
    bare = min(times["python"])
    for name, seconds in times.items():
        t = min(seconds)
        lines.append(f"| {name} | {1e3 * t:.1f} | {1e3 * (t - bare):.1f} |")
    return lines


def report(rounds: int) -> str:
    lines = [
        "# Benchmarks",
        "",
        f"Measured on {date.today():%Y-%m-%d} with CPython {platform.python_version()} on "
        f"{processor()}, one thread each. Every contender has a process of its own, they take "
        f"turns, {rounds} rounds each. A turn is 50 ms of steps, one at least, and gives their mean. "
        "One step is forward, `zero_grad`, "
        "`backward` and update of a 2-16-16-1 network on 100 samples; F is the forward pass "
        "alone on plain Python floats. A node's bytes are what the process grows by. The graphs "
        "of nodes are rows of 200 turns, so that micrograd's recursion gets through. "
        "`python3 dev.py bench` measures anew.",
    ]
    c = importlib.util.find_spec("rustygrad_c") is not None
    off = race(["F", "micrograd", SCALAR, *[C_SCALAR] * c], rounds, "off")
    lines += table("One training step, the same program, collector off", off)
    torch = importlib.util.find_spec("torch") is not None
    on = race(
        ["F", "micrograd", SCALAR, MLP, *[C_SCALAR, C_MLP] * c, *[PYTORCH] * torch], rounds, "on"
    )
    lines += table("One training step, collector on", on)
    peers = [name for name in NODES if c or name != "c"]
    nodes = {}
    for shape, size, names, title in (
        ("products", 400, ["float", *["c"] * c], "One node of `c = a * b + c`, 400 in a graph"),
        ("products", 10**6, peers, "One node of `c = a * b + c`, 10^6 in a graph"),
        ("sums", 10**6, ["float", *["c"] * c], "One node of `c = c + a`, 10^6 in a graph"),
        ("products", 10**7, ["float", *["c"] * c], "One node of `c = a * b + c`, 10^7 in a graph"),
    ):
        few = min(rounds, 5) if size > 10**6 else rounds
        nodes[title] = node_race(names, shape, size, few)
        lines += node_table(title, nodes[title])
    if c:
        lines += target_table(off, on, nodes)
    title = "From the start of the interpreter to the first Value"
    lines += start_table(title, starts(2 * rounds))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure, in one run beside the peers.")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each contender")
    parser.add_argument("--write", type=Path, help="write the page to this file too")
    arguments = parser.parse_args()
    page = report(arguments.rounds)
    print(page)
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")
