"""What the tests in Python share: a server with one model, a cache of its own, and the built command."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

COMMAND, CHECKPOINT = sys.argv[1:3]
SERVER = pathlib.Path(__file__).with_name("server.py")
UNET = "unet/diffusion_pytorch_model.safetensors"


class HubCase(unittest.TestCase):
    """The server serves CHECKPOINT as org/tiny."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="impasto-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(CHECKPOINT, self.folder / "models/org/tiny")
        self.log = self.folder / "log"
        self.server = subprocess.Popen([sys.executable, SERVER, self.folder / "models", self.log], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop_server)
        port = self.server.stdout.readline().split()[0]
        self.cache = self.folder / "home/hub"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "XDG_", "TRANSFORMERS_"))}
        self.environment |= {"HF_HOME": str(self.folder / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{port}", "no_proxy": "127.0.0.1"}

    def stop_server(self):
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()

    def start(self, arguments, **environment):
        return subprocess.Popen(arguments, env=self.environment | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process, ok=True):
        """Standard output; of a process that should fail its errors."""
        out, err = process.communicate()
        self.assertEqual(process.returncode == 0, ok, out + err)
        return out.strip() if ok else err

    def ours(self, *arguments, ok=True, **environment):
        return self.finish(self.start([COMMAND, *arguments], **environment), ok)

    def publish(self, path, size):
        (self.folder / "models/org/tiny" / path).write_bytes(os.urandom(size))

    def misbehave(self, path, **fault):
        (self.folder / "models/org/tiny/.faults.json").write_text(json.dumps({"files": {path: fault}}))
