"""The parts that a pipeline of diffusers is made of, of a checkpoint that the engine has loaded."""

from __future__ import annotations

import json
import os
from typing import Any

from .. import schedulers
from ..devices import Place
from ..config import read_config
from ..ip_adapters import CLIPVisionModelWithProjection
from ..models import AutoencoderKL, StableDiffusionSafetyChecker, UNet2DConditionModel
from ..once import say_once
from ..text_models import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

_TEXTS = {"text_encoder": ("tokenizer", CLIPTextModel), "text_encoder_2": ("tokenizer_2", CLIPTextModelWithProjection)}


def _networks(parts: dict[str, Any], config_of: Any, folder_of: Any, places: dict[str, Place], wishes: dict[str, str | None]) -> dict[str, Any]:
    """The networks and tokenizers that there are, None for the others."""

    def network(kind: Any, name: str, placed: str) -> Any:
        return kind(parts[name], config_of(name), folder_of(name), places[placed], wishes[placed])

    made: dict[str, Any] = {"vae": network(AutoencoderKL, "vae", "vae"), "unet": network(UNet2DConditionModel, "unet", "unet")}
    for name, (tokenizer, kind) in _TEXTS.items():
        made[name] = network(kind, name, "text_encoder") if name in parts else None
        made[tokenizer] = CLIPTokenizer(parts[tokenizer], folder_of(tokenizer)) if name in parts else None
    return made


def parts_of_file(core: Any, places: dict[str, Place], wishes: dict[str, str | None]) -> dict[str, Any]:
    """The parts and settings of a checkpoint in a single file."""
    parts, info = core.components(), core.info()
    configs = {component["name"]: json.loads(component["config"]) for component in info["components"]}
    scheduler = json.loads(info["scheduler_config"])
    refiner = "text_encoder" not in parts
    return {
        **_networks(parts, configs.__getitem__, lambda _: None, places, wishes),
        "scheduler": schedulers.named(scheduler.pop("_class_name"), scheduler),
        "requires_safety_checker": False,
        "requires_aesthetics_score": refiner,  # as its model_index.json says
        "force_zeros_for_empty_prompt": not refiner,
    }


def _safety_checker(folder: str, place: Place, wished: str | None) -> Any:
    """The one in a checkpoint's folder; None, and it is said, where it was not downloaded."""
    weights = ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin", "model.safetensors.index.json")
    if not any(os.path.exists(os.path.join(folder, name)) for name in weights):
        say_once(f"the checkpoint's safety checker is not here ({folder}), so it is not run")
        return None
    return StableDiffusionSafetyChecker(None, read_config(folder, "config.json"), folder, place, wished)


def parts_of(core: Any, folder: str, places: dict[str, Place], wishes: dict[str, str | None]) -> dict[str, Any]:
    """The parts and settings of a loaded checkpoint."""
    parts = core.components()
    index = read_config(folder, "model_index.json")
    has_checker = index.get("safety_checker") not in (None, [None, None])
    checker = _safety_checker(os.path.join(folder, "safety_checker"), places["vae"], wishes["vae"]) if has_checker else None
    stored = read_config(os.path.join(folder, "scheduler"), "scheduler_config.json")
    name = stored.pop("_class_name", core.info()["scheduler"])

    def where(component: str) -> str:
        return os.path.join(folder, component)

    encoder = None
    if os.path.exists(os.path.join(where("image_encoder"), "config.json")) and (index.get("image_encoder") or [None])[-1] is not None:
        encoder = CLIPVisionModelWithProjection.from_pretrained(where("image_encoder"), device=places["text_encoder"].device, dtype=wishes["text_encoder"])
    return {
        **_networks(parts, lambda name: read_config(where(name), "config.json"), where, places, wishes),
        "scheduler": schedulers.named(name, stored),
        "safety_checker": checker,
        "image_encoder": encoder,
        "requires_safety_checker": checker is not None and bool(index.get("requires_safety_checker", True)),
        "requires_aesthetics_score": bool(index.get("requires_aesthetics_score", False)),
        "force_zeros_for_empty_prompt": bool(index.get("force_zeros_for_empty_prompt", True)),
    }
