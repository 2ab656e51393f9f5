"""The parts that a pipeline of diffusers is made of, of a checkpoint that the engine has loaded."""

from __future__ import annotations

import json
import os
from typing import Any

from .. import schedulers
from ..devices import Place
from ..config import read_config
from ..models import AutoencoderKL, CLIPTextModel, CLIPTokenizer, StableDiffusionSafetyChecker, UNet2DConditionModel
from ..once import say_once


def parts_of_file(core: Any, places: dict[str, Place], wishes: dict[str, str | None]) -> dict[str, Any]:
    """The parts of a checkpoint in a single file."""
    parts, info = core.components(), core.info()
    configs = {component["name"]: json.loads(component["config"]) for component in info["components"]}
    scheduler = json.loads(info["scheduler_config"])
    return {
        "vae": AutoencoderKL(parts["vae"], configs["vae"], None, places["vae"], wishes["vae"]),
        "text_encoder": CLIPTextModel(parts["text_encoder"], configs["text_encoder"], None, places["text_encoder"], wishes["text_encoder"]),
        "tokenizer": CLIPTokenizer(parts["tokenizer"], None),
        "unet": UNet2DConditionModel(parts["unet"], configs["unet"], None, places["unet"], wishes["unet"]),
        "scheduler": schedulers.named(scheduler.pop("_class_name"), scheduler),
        "safety_checker": None,
        "feature_extractor": None,
        "image_encoder": None,
        "requires_safety_checker": False,
    }


def _safety_checker(folder: str, place: Place, wished: str | None) -> Any:
    """The one in a checkpoint's folder; None, and it is said, where it was not downloaded."""
    weights = ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin", "model.safetensors.index.json")
    if not any(os.path.exists(os.path.join(folder, name)) for name in weights):
        say_once(f"the checkpoint's safety checker is not here ({folder}), so it is not run")
        return None
    return StableDiffusionSafetyChecker(None, read_config(folder, "config.json"), folder, place, wished)


def parts_of(core: Any, folder: str, places: dict[str, Place], wishes: dict[str, str | None]) -> dict[str, Any]:
    """The parts of a loaded checkpoint."""
    parts = core.components()
    index = read_config(folder, "model_index.json")
    has_checker = index.get("safety_checker") not in (None, [None, None])
    checker = _safety_checker(os.path.join(folder, "safety_checker"), places["vae"], wishes["vae"]) if has_checker else None
    stored = read_config(os.path.join(folder, "scheduler"), "scheduler_config.json")
    name = stored.pop("_class_name", core.info()["scheduler"])

    def where(component: str) -> str:
        return os.path.join(folder, component)

    def network(kind: Any, name: str) -> Any:
        return kind(parts[name], read_config(where(name), "config.json"), where(name), places[name], wishes[name])

    return {
        "vae": network(AutoencoderKL, "vae"),
        "text_encoder": network(CLIPTextModel, "text_encoder"),
        "tokenizer": CLIPTokenizer(parts["tokenizer"], where("tokenizer")),
        "unet": network(UNet2DConditionModel, "unet"),
        "scheduler": schedulers.named(name, stored),
        "safety_checker": checker,
        "feature_extractor": None,
        "image_encoder": None,
        "requires_safety_checker": checker is not None and bool(index.get("requires_safety_checker", True)),
    }
