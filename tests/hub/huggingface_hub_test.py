#!/usr/bin/env python3
"""impasto and the real huggingface_hub on one cache, each with what the other has downloaded.

Usage: huggingface_hub_test.py COMMAND CHECKPOINT      the built impasto, and a folder to publish
Run by an interpreter that has huggingface_hub; ends with 77 (skipped) where it has not.
"""
import json
import pathlib
import signal
import subprocess
import sys
import time
import unittest

try:
    import huggingface_hub
except ImportError:
    print("huggingface_hub is not installed here: skipped")
    sys.exit(77)

from hub_case import COMMAND, UNET, HubCase

NEEDED = ["*.json", "*/*.json", "tokenizer/*", "*/*.safetensors"]


class SharedCache(HubCase):
    def setUp(self):
        super().setUp()
        for name in ("XET", "TELEMETRY", "PROGRESS_BARS", "UPDATE_CHECK"):
            self.environment[f"HF_HUB_DISABLE_{name}"] = "1"

    def theirs(self, expression, ok=True, **environment):
        """What a Python expression with huggingface_hub as `hub` is, as text."""
        return self.finish(self.start_theirs(expression, **environment), ok)

    def start_theirs(self, expression, **environment):
        return self.start([sys.executable, "-c", f"import huggingface_hub as hub; print({expression})"], **environment)

    def fetched(self):
        """Paths whose content was sent so far, each as often as it was."""
        requests = [json.loads(line) for line in self.log.read_text().splitlines()]
        sent = [r["path"].split("?")[0] for r in requests if r["method"] == "GET" and r["status"] in (200, 206)]
        return ["/".join(p.split("/")[-2:]) for p in sent if "/revision/" not in p and "/tree/" not in p and "whoami" not in p]

    def expect_sound(self):
        self.ours("verify", "org/tiny")
        self.assertEqual([p.name for p in self.cache.glob("*/blobs/*") if p.name.endswith(".incomplete")], [])
        self.assertEqual(self.theirs("hub.scan_cache_dir().warnings"), "[]")

    def test_they_find_what_we_fetched(self):
        folder = self.ours("download", "org/tiny")
        offline = {"HF_HUB_OFFLINE": "1"}
        self.assertEqual(self.theirs(f"hub.snapshot_download('org/tiny', allow_patterns={NEEDED})", **offline), folder)
        self.assertEqual(self.theirs(f"hub.hf_hub_download('org/tiny', '{UNET}', local_files_only=True)"), f"{folder}/{UNET}")
        self.assertEqual(self.theirs("hub.try_to_load_from_cache('org/tiny', 'model_index.json')"), f"{folder}/model_index.json")
        files = len([p for p in pathlib.Path(folder).rglob("*") if p.is_file()])
        self.assertEqual(self.theirs("[(r.repo_id, r.nb_files, sorted(r.refs)) for r in hub.scan_cache_dir().repos]"), f"[('org/tiny', {files}, ['main'])]")
        self.expect_sound()

    def test_they_fetch_nothing_again(self):
        self.ours("download", "org/tiny")
        before = len(self.fetched())
        self.theirs(f"hub.snapshot_download('org/tiny', allow_patterns={NEEDED})")
        self.assertEqual(self.fetched()[before:], [])

    def test_we_find_what_they_fetched(self):
        folder = self.theirs("hub.snapshot_download('org/tiny')")
        self.ours("info", "org/tiny", HF_HUB_OFFLINE="1")
        self.assertEqual(self.ours("download", "org/tiny", HF_HUB_OFFLINE="1"), folder)
        report = json.loads(self.ours("download", "org/tiny", "--json"))
        self.assertEqual((report["path"], report["fetched_bytes"]), (folder, 0))
        self.expect_sound()

    def test_each_completes_what_the_other_began(self):
        self.theirs(f"hub.hf_hub_download('org/tiny', '{UNET}')")
        self.ours("download", "org/tiny", "--file", "vae/diffusion_pytorch_model.safetensors")
        self.assertIn("has no", self.ours("info", "org/tiny", ok=False, HF_HUB_OFFLINE="1"))
        self.ours("download", "org/tiny")
        self.theirs(f"hub.snapshot_download('org/tiny', allow_patterns={NEEDED})")
        self.assertEqual(len(self.fetched()), len(set(self.fetched())), "nothing came twice")
        self.expect_sound()

    def test_revisions_are_shared(self):
        theirs = pathlib.Path(self.theirs("hub.snapshot_download('org/tiny', revision='refs/pr/1')"))
        self.assertEqual(self.ours("download", "org/tiny@refs/pr/1", HF_HUB_OFFLINE="1"), str(theirs))
        self.ours("download", "org/tiny@v1")
        self.assertEqual(self.theirs(f"hub.snapshot_download('org/tiny', revision='v1', allow_patterns={NEEDED})", HF_HUB_OFFLINE="1"), str(theirs))
        self.assertEqual(self.ours("download", f"org/tiny@{theirs.name}", HF_HUB_OFFLINE="1"), str(theirs))

    def test_updates_are_shared(self):
        old = self.ours("download", "org/tiny")
        self.publish(UNET, 100_000)
        new = self.theirs("hub.snapshot_download('org/tiny')")
        self.assertNotEqual(new, old)
        self.assertEqual(self.ours("download", "org/tiny", HF_HUB_OFFLINE="1"), new)
        self.publish(UNET, 100_001)
        newest = self.ours("download", "org/tiny")
        self.assertEqual(self.theirs(f"hub.snapshot_download('org/tiny', allow_patterns={NEEDED})", HF_HUB_OFFLINE="1"), newest)
        self.expect_sound()

    def test_at_the_same_time(self):
        self.publish(UNET, 3_000_000)
        self.misbehave(UNET, pause=0.005)
        running = [self.start([COMMAND, "download", "org/tiny"]) for _ in range(3)]
        running += [self.start_theirs("hub.snapshot_download('org/tiny')") for _ in range(3)]
        self.assertEqual(len({self.finish(process) for process in running}), 1)
        self.assertEqual(self.fetched().count(UNET), 1, "one fetched, and the others waited for its lock")
        self.expect_sound()

    def kill_when_it_fetches(self, process):
        while not list(self.cache.glob("models--org--tiny/blobs/*.incomplete")):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def test_we_go_on_after_they_were_killed(self):
        self.publish(UNET, 3_000_000)
        self.misbehave(UNET, pause=0.05)
        self.kill_when_it_fetches(self.start_theirs("hub.snapshot_download('org/tiny')"))
        self.misbehave(UNET)
        self.ours("download", "org/tiny")
        self.ours("verify", "org/tiny")

    def test_they_go_on_after_we_were_killed(self):
        self.publish(UNET, 3_000_000)
        self.misbehave(UNET, pause=0.05)
        self.kill_when_it_fetches(self.start([COMMAND, "download", "org/tiny"]))
        self.misbehave(UNET)
        folder = self.theirs("hub.snapshot_download('org/tiny')")
        self.assertEqual(self.ours("download", "org/tiny"), folder)
        self.ours("verify", "org/tiny")

    def test_logins_are_shared(self):
        process = subprocess.run([COMMAND, "login"], input="hf_good\n", env=self.environment, capture_output=True, text=True)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(self.theirs("hub.get_token()"), "hf_good")
        self.assertEqual(self.theirs("hub.whoami()['name']"), "painter")
        self.ours("logout")
        self.assertEqual(self.theirs("hub.get_token()"), "None")
        self.theirs("hub.login(token='hf_good', add_to_git_credential=False)")
        (self.folder / "models/org/tiny/.faults.json").write_text('{"private": true}')
        self.ours("download", "org/tiny")
        self.ours("logout")
        self.assertEqual(self.theirs("hub.get_token()"), "None")


if __name__ == "__main__":
    print("huggingface_hub", huggingface_hub.__version__)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
