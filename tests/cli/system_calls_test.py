#!/usr/bin/env python3
"""A conversion or the saving of a picture that is killed, or refused by the system, at each of its system calls in turn leaves the old file or the new one,
and nothing else once it has been done again.

Usage: system_calls_test.py COMMAND CHECKPOINT      the built impasto, and a folder to convert
IMPASTO_EVERY_CALL=1 takes each read and write, instead of some of them, and every kind of fault at each call, instead of one. Needs strace; ends with 77
(skipped) where it is not, or may not trace.
"""
import collections
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

COMMAND, CHECKPOINT = map(os.path.abspath, sys.argv[1:3])
MANY = ("read", "pread64", "write", "close", "fstat")  # of these, some; what they do is the same each time
SOME = 10
CHANGING = ("openat", "mkdir", "write", "fsync", "fchmod", "linkat", "flock", "rename", "unlink", "close", "fcntl")
REMOVING = ("unlink", "unlinkat", "rmdir")

if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
    print("strace is not here, or may not trace: skipped")
    sys.exit(77)


def state(path):
    """The content of a file, or of all files of a folder by their names; None where there is nothing."""
    path = pathlib.Path(path)
    if path.is_dir():
        return {str(p.relative_to(path)): state(p) for p in sorted(path.rglob("*")) if not p.is_dir()}
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


class SystemCalls(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="impasto-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.trace = self.folder / "trace"
        self.work = self.folder / "work"
        self.source = self.work / "model"
        self.output = self.work / "out"
        self.output.mkdir(parents=True)
        shutil.copytree(CHECKPOINT, self.source)

    def run_command(self, arguments, strace=()):
        command = [*strace, COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, cwd=self.folder)

    def calls(self, arguments):
        """(name, number) of the main thread's calls that have to do with `self.place`."""
        self.run_command(arguments, ["strace", "-y", "-o", self.trace, "-e", "trace=%file,%desc"])
        counts = collections.Counter()
        found = collections.defaultdict(list)
        for line in self.trace.read_text().splitlines():
            if name := re.match(r"(\w+)\(", line):
                counts[name[1]] += 1
                if str(self.place) in line and name[1] != "execve":
                    kind = "fstat" if re.match(r'newfstatat\(\d+<[^>]*>, ""', line) else name[1]  # of an open file, before each tensor
                    found[name[1], kind].append(counts[name[1]])
        for (name, kind), numbers in found.items():
            if kind in MANY and len(numbers) > SOME and not os.environ.get("IMPASTO_EVERY_CALL"):
                step = (len(numbers) - 1) / (SOME - 1)
                numbers = [numbers[round(i * step)] for i in range(SOME)]
            yield from ((name, number) for number in numbers)

    def put_back(self, target, old):
        """The target as it was, and nothing beside it."""
        for entry in self.output.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if old is not None:
            target.write_bytes(old)

    def sweep(self, arguments, target, place, old=None):
        """A fault at every call, the kinds in turns, or every kind at each; `old` is the target's content before, where it exists."""
        self.place = place
        self.put_back(target, old)
        before = state(target)
        done = self.run_command(arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        after, names = state(target), sorted(p.name for p in self.output.iterdir())
        self.assertNotEqual(before, after)
        self.put_back(target, old)
        points = list(self.calls(arguments))
        self.assertGreater(len(points), 10)
        count, felt = 0, collections.Counter()
        faults = ("signal=KILL", "error=EIO", "error=ENOSPC")
        one_thread = arguments[0] == "convert"
        for index, what in enumerate(faults):
            for name, number in points if os.environ.get("IMPASTO_EVERY_CALL") else points[index :: len(faults)]:
                if what != "error=EIO" and name not in CHANGING:
                    continue
                # Stopping at these calls alone is four times as fast; it counts those of all threads together, and no signal comes that way.
                stops = ["-f", "--seccomp-bpf"] if one_thread and what.startswith("error=") else []
                with self.subTest(what=what, call=name, number=number):
                    self.put_back(target, old)
                    inject = ["strace", *stops, "-o", self.trace, "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={number}"]
                    ran = self.run_command(arguments, inject)
                    felt[what] += ran.returncode != 0
                    self.check(ran, what, name, target, (before, after))
                    again = self.run_command(arguments)
                    if target.is_dir() and state(target) == after and again.returncode == 2:
                        self.assertIn("is there already", again.stderr)  # it was done, and folders are not replaced
                        shutil.rmtree(target)
                        again = self.run_command(arguments)
                    self.assertEqual(again.returncode, 0, again.stderr)
                    self.assertEqual(state(target), after)
                    self.assertEqual(sorted(p.name for p in self.output.iterdir()), names)
                    count += 1
        for what in faults:
            self.assertGreater(felt[what], 0, f"nothing came of {what}")
        print(f"{' '.join(map(str, arguments))[:60]}: {count} faults", flush=True)

    def check(self, ran, what, name, target, states):
        before, after = states
        self.assertIn(state(target), (before, after))
        if what == "signal=KILL":
            self.assertNotEqual(ran.returncode, 0)
            return
        self.assertIn(ran.returncode, (0, 1, 2), ran.stderr)  # never a signal
        if ran.returncode == 0:
            self.assertEqual(state(target), after, ran.stderr)
        else:
            self.assertEqual(ran.stderr.count("impasto: error: "), 1, ran.stderr)
            self.assertIn(str(self.work), ran.stderr)
        if name not in REMOVING:
            left = [p.name for p in self.output.iterdir() if p != target]
            self.assertEqual(left, [])

    def test_convert_to_safetensors_over_an_old_file(self):
        target = self.output / "a.safetensors"
        self.sweep(["convert", self.source, "-o", target, "-q"], target, self.work, old=b"old")

    def test_convert_to_gguf(self):
        target = self.output / "a.gguf"
        self.sweep(["convert", self.source, "-o", target, "-q", "--dtype", "q8_0"], target, self.output)

    def test_convert_to_a_folder(self):
        target = self.output / "a"
        self.sweep(["convert", self.source, "-o", target, "-q"], target, self.work)

    def test_convert_over_itself(self):
        target = self.output / "a.safetensors"
        self.assertEqual(self.run_command(["convert", self.source, "-o", target, "-q"]).returncode, 0)
        self.sweep(["convert", target, "-o", target, "-q", "--dtype", "bfloat16"], target, self.output, old=target.read_bytes())

    def test_save_over_an_old_picture(self):
        target = self.output / "a.png"
        arguments = ["generate", "a boat", "-m", self.source, "--steps", "1", "-W", "64", "-H", "64", "-s", "1", "-q", "-o", target]
        self.sweep(arguments, target, self.output, old=b"old")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
