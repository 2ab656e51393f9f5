"""The safety checker: diffusers' own, small and with random weights, on a few pictures."""
import copy

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker, cosine_distance
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor

from . import images
from .checkpoints import with_random_weights
from .store import seeded, tolerance

SIDE = 28
SIZES = ((70, 50), (50, 90), (28, 28), (29, 200), (300, 30))  # width, height


def small_checker():
    vision = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=SIDE, patch_size=7, projection_dim=16)
    checker = with_random_weights(StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16)), 900)
    checker.concept_embeds.data = seeded((17, 16), 901)
    checker.special_care_embeds.data = seeded((3, 16), 902)
    checker.concept_embeds_weights.data = torch.linspace(0.25, 0.75, 17)
    checker.special_care_embeds_weights.data = torch.linspace(0.1, 0.5, 3)
    return checker.half().float().eval()


def published_name(name):
    """Checkpoints on the Hub were written when the vision model had a level more."""
    return name if not name.startswith("vision_model.") or name.startswith("vision_model.vision_model.") else "vision_model." + name


def add_safety(store, folder):
    """`folder` gets config.json and the weights, as a checkpoint's safety_checker."""
    checker = small_checker()
    copy.deepcopy(checker).half().save_pretrained(folder)
    path = folder / "model.safetensors"
    save_file({published_name(name): tensor for name, tensor in load_file(path).items()}, path)
    for path in folder.iterdir():
        path.chmod(0o644)
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    flags = []
    for k, (width, height) in enumerate(SIZES):
        picture = images.picture(width, height)
        pixels = processor(picture, return_tensors="pt").pixel_values

        def embedded(model, cast):
            return model.visual_projection(model.vision_model(cast(pixels))[1])

        with torch.no_grad():
            embedding = embedded(checker, lambda t: t)
            better = embedded(copy.deepcopy(checker).double(), lambda t: t.double())
            special, concepts = cosine_distance(embedding, checker.special_care_embeds)[0], cosine_distance(embedding, checker.concept_embeds)[0]
            _, flagged = checker(pixels, [images.array(picture).numpy()])
        flags += flagged
        settings = {"flagged": bool(flagged[0])}
        store.add(f"safety/picture_{width}x{height}", settings, {"image": images.array(picture)},
                  {"pixels": pixels, "embedding": embedding, "special": special, "concepts": concepts},
                  {"pixels": {"atol": 1e-5}, "embedding": tolerance(embedding, [better])})
    assert len(set(flags)) == 2, flags
