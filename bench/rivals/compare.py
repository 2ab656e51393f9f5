#!/usr/bin/env python3
"""Times a guided UNet step (batch 2) and a VAE decode on several engines, which take turns in one run.

Usage: bench/rivals/compare.py MODEL [--engines impasto,torch,openvino] [--rounds 5] [--width 512] [--height 512] [--threads 2]
Prints the median of each engine and its ratio to the first engine named (above 1: slower than the first).
"""
import argparse
import multiprocessing
import pathlib
import platform
import statistics
import sys
import tempfile
import warnings

from engines import ENGINES

ROOT = pathlib.Path(__file__).resolve().parents[2]


def serve(name, options, pipe):
    """One engine in a process of its own, so that libraries and their threads do not meet."""
    warnings.simplefilter("ignore")  # tracing a model for OpenVINO is loud
    try:
        engine = ENGINES[name](options)
        pipe.send("ready")
        while (work := pipe.recv()) is not None:
            pipe.send(getattr(engine, work)())
    except Exception as error:  # told to the parent, which stops
        pipe.send(error)


class Worker:
    def __init__(self, name, options):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(name, options, other), daemon=False)
        self.process.start()
        self.answer()

    def answer(self):
        value = self.pipe.recv()
        if isinstance(value, Exception):
            raise value
        return value

    def ask(self, work):
        self.pipe.send(work)
        return self.answer()


def take_turns(names, options):
    """Seconds of every turn after the first, which warms up: engine -> work -> list."""
    multiprocessing.set_start_method("spawn")
    workers = {}
    times = {name: {"step": [], "decode": []} for name in names}
    try:
        for name in names:
            workers[name] = Worker(name, options)
        for turn in range(options.rounds + 1):
            for name, worker in workers.items():
                for work in ("step", "decode"):
                    seconds = worker.ask(work)
                    if turn:
                        times[name][work].append(seconds)
                    print(f"{f'round {turn}' if turn else 'warm-up'}  {name:14} {work:7} {seconds:8.3f} s", file=sys.stderr, flush=True)
    finally:
        for worker in workers.values():
            worker.process.terminate()
    return times


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("model")
    a.add_argument("--engines", default="impasto,torch,openvino", help=f"of {', '.join(ENGINES)}")
    a.add_argument("--impasto", default=str(ROOT / "build/release/cli/impasto"), help="the command")
    a.add_argument("--openvino-folder", default=str(pathlib.Path(tempfile.gettempdir()) / "impasto-rivals"), help="keeps the converted model")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--width", type=int, default=512)
    a.add_argument("--height", type=int, default=512)
    a.add_argument("--threads", type=int, default=2)
    options = a.parse_args()
    names = options.engines.split(",")
    if unknown := [n for n in names if n not in ENGINES]:
        a.error(f"unknown engine {unknown[0]}; there are {', '.join(ENGINES)}")

    times = take_turns(names, options)
    print(f"{processor()}, {options.threads} threads, {options.width} x {options.height}, median of {options.rounds} rounds")
    print(f"{'engine':14} {'step, s':>9} {'ratio':>6} {'decode, s':>10} {'ratio':>6}")
    median = {name: {work: statistics.median(t) for work, t in t.items()} for name, t in times.items()}
    for name in names:
        step, decode = median[name]["step"], median[name]["decode"]
        print(f"{name:14} {step:9.3f} {step / median[names[0]]['step']:6.2f} {decode:10.3f} {decode / median[names[0]]['decode']:6.2f}")


if __name__ == "__main__":
    main()
