#!/usr/bin/env python3
"""A download that is killed, or refused by the system, at each of its system calls in turn leaves the old state or the new one, and the next succeeds.

Usage: system_calls_test.py COMMAND CHECKPOINT      the built impasto, and a folder to publish
Needs strace; ends with 77 (skipped) where it is not, or may not trace.
"""
import pathlib
import shutil
import subprocess
import sys
import unittest

from hub_case import COMMAND, HubCase

if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
    print("strace is not here, or may not trace: skipped")
    sys.exit(77)

# Calls by which a download changes what others see. strace counts each thread's on its own, and one thread fetches.
CALLS = ("mkdir", "pwrite64", "fsync", "rename", "symlink", "linkat", "ftruncate", "unlink", "flock")


class SystemCalls(HubCase):
    def setUp(self):
        super().setUp()
        self.old = pathlib.Path(self.ours("download", "org/tiny", "-q"))
        self.publish("unet/config.json", 1000)
        self.publish("vae/config.json", 1000)
        self.publish("unet/diffusion_pytorch_model.safetensors", 150_000)
        self.before = self.folder / "before"
        shutil.copytree(self.cache, self.before, symlinks=True)

    def go_back(self):
        shutil.rmtree(self.cache)
        shutil.copytree(self.before, self.cache, symlinks=True)

    def under(self, call, what, number):
        """Runs a download with the number-th of these calls injected; None when there were fewer."""
        trace = self.folder / "trace"
        inject = ["-f", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}"]
        process = self.start(["strace", *inject, COMMAND, "download", "org/tiny", "-q", "-j", "1"])
        out, err = process.communicate()
        injected = "INJECTED" in trace.read_text() or "SIGKILL" in trace.read_text()
        return (process.returncode, out, err) if injected else None

    def expect_old_or_new(self, where):
        """What the cache says it has is whole, whichever it is."""
        now = pathlib.Path(self.ours("download", "org/tiny", HF_HUB_OFFLINE="1"))
        self.ours("verify", f"org/tiny@{now.name}", "-q")
        self.ours("verify", f"org/tiny@{self.old.name}", "-q")
        return now != self.old

    def expect_next_succeeds(self):
        new = pathlib.Path(self.ours("download", "org/tiny", "-q"))
        self.assertNotEqual(new, self.old)
        self.ours("verify", "org/tiny", "-q")
        self.assertEqual([p.name for p in self.cache.glob("*/blobs/*.incomplete")], [])

    def sweep(self, what, check):
        for call in CALLS:
            number = 1
            while ran := self.under(call, what, number):
                with self.subTest(call=call, number=number):
                    check(*ran)
                    self.expect_old_or_new(call)
                    self.expect_next_succeeds()
                self.go_back()
                number += 1
            print(f"{what}: {call} {number - 1} times", flush=True)
            self.go_back()  # the last run was whole

    def test_killed(self):
        self.sweep("signal=KILL", lambda code, out, err: self.assertNotEqual(code, 0))

    def expect_refusal(self, code, out, err):
        """An error that names a place, or a success where the call did not matter; never a signal."""
        self.assertIn(code, (0, 1), err)
        if code == 1:
            self.assertIn("impasto: error: ", err)
            self.assertIn(str(self.folder), err)

    def test_disk_full(self):
        self.sweep("error=ENOSPC", self.expect_refusal)

    def test_disk_broken(self):
        self.sweep("error=EIO", self.expect_refusal)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
