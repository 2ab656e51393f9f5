"""from_pretrained("owner/name") without huggingface_hub, against a server that speaks the Hub's protocol."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import impasto
from impasto import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Hub:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.models, self.log = folder, folder / "models", folder / "log"
        shutil.copytree(SOURCE / "tests/data/checkpoints/tiny-sd15", self.models / "org/tiny")
        self.log.touch()
        self.server = subprocess.Popen([sys.executable, SOURCE / "tests/hub/server.py", self.models, self.log], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = f"http://127.0.0.1:{self.server.stdout.readline().split()[0]}"

    def requests(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def misbehave(self, **faults):
        (self.models / "org/tiny/.faults.json").write_text(json.dumps(faults))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    hub = Hub(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    yield hub
    hub.server.communicate("")


def snapshot(hub):
    (folder,) = (hub.folder / "home/hub/models--org--tiny/snapshots").iterdir()
    return folder


def test_pipelines_come_and_stay(hub):
    StableDiffusionPipeline.from_pretrained("org/tiny")
    assert (snapshot(hub) / "unet/diffusion_pytorch_model.safetensors").exists()
    sent = len(hub.requests())
    StableDiffusionPipeline.from_pretrained("org/tiny", local_files_only=True)
    assert len(hub.requests()) == sent


def test_components_come_alone(hub):
    AutoencoderKL.from_pretrained("org/tiny", subfolder="vae")
    assert DDIMScheduler.from_pretrained("org/tiny", subfolder="scheduler").config.num_train_timesteps == 1000
    assert sorted(p.name for p in snapshot(hub).iterdir()) == ["scheduler", "vae"]


def test_variants_revisions_and_caches(hub, tmp_path):
    for stem in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        shutil.copy(hub.models / f"org/tiny/{stem}.safetensors", hub.models / f"org/tiny/{stem}.fp16.safetensors")
    StableDiffusionPipeline.from_pretrained("org/tiny", variant="fp16", revision="v1", cache_dir=tmp_path / "other")
    assert list((tmp_path / "other").glob("*/snapshots/*/unet/*.safetensors"))[0].name == "diffusion_pytorch_model.fp16.safetensors"
    assert (tmp_path / "other/models--org--tiny/refs/v1").exists()
    with pytest.raises(OSError, match="no revision v9"):
        StableDiffusionPipeline.from_pretrained("org/tiny", revision="v9")


def test_tokens(hub, monkeypatch):
    hub.misbehave(gated=True)
    with pytest.raises(OSError, match="gated: accept its terms at .*/org/tiny.*impasto login"):
        StableDiffusionPipeline.from_pretrained("org/tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_accepted")
    with pytest.raises(OSError, match="gated"):
        StableDiffusionPipeline.from_pretrained("org/tiny", token=False)
    StableDiffusionPipeline.from_pretrained("org/tiny", token=True)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    StableDiffusionPipeline.from_pretrained("org/tiny", token="hf_accepted")
    assert {r["token"] for r in hub.requests() if r["server"] == "storage"} == {""}


def test_without_a_network_the_cache_serves(hub, monkeypatch):
    with pytest.raises(OSError, match="local_files_only"):
        StableDiffusionPipeline.from_pretrained("org/tiny", local_files_only=True)
    StableDiffusionPipeline.from_pretrained("org/tiny")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    StableDiffusionPipeline.from_pretrained("org/tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    StableDiffusionPipeline.from_pretrained("org/tiny")
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        StableDiffusionPipeline.from_pretrained("org/none")


def test_refusals_are_of_pythons_types():
    with pytest.raises(ValueError, match="ORG/NAME"):
        impasto._core.download("no name")
