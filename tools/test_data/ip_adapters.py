"""IP-Adapters in the published layout, an image encoder, and what diffusers draws with them.

image_encoder     CLIP's vision transformer, small, with random weights
plain, plus, full for tiny-sd15 and tiny-sd21, whose UNets are as wide: the three kinds that look at whole pictures
plain.bin         the first once more, as torch.save writes it
plain_xl          for tiny-sdxl
face              as the FaceID kind is laid out: its projection alone, to be refused
"""
import copy
import tempfile

import torch
from diffusers import (ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline,
                       StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel)
from pathlib import Path
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from . import images, xl
from .checkpoints import with_random_weights
from .pipelines import PLAIN, SEED, pipeline, run
from .store import seeded, tolerance

SIDE, WIDTH, PROJECTED = 28, 32, 24
ADAPTERS = ("plain", "plus", "full", "plain_xl")
FILES = {"plain_xl": "tiny-sdxl"}

# case -> class, checkpoint, [(adapter, scale, sizes of its pictures)], changes to the call; "control" beside a ControlNet, "embeds" precomputed
CASES = {
    "plain": (StableDiffusionPipeline, "tiny-sd15", [("plain", 1.0, [(50, 90)])], {}),
    "plain_0.6_two_images": (StableDiffusionPipeline, "tiny-sd15", [("plain", 0.6, [(70, 50)])], dict(num_images_per_prompt=2)),
    "without_guidance": (StableDiffusionPipeline, "tiny-sd15", [("plain", 0.8, [(70, 50)])], dict(guidance_scale=1.0)),
    "plus": (StableDiffusionPipeline, "tiny-sd15", [("plus", 0.7, [(29, 70)])], {}),
    "full": (StableDiffusionPipeline, "tiny-sd15", [("full", 0.5, [(70, 50)])], {}),
    "three_pictures": (StableDiffusionPipeline, "tiny-sd15", [("plain", 0.9, [(50, 90), (70, 50), (28, 28)])], {}),
    "two_adapters": (StableDiffusionPipeline, "tiny-sd15", [("plain", 0.4, [(50, 90)]), ("plus", -0.5, [(70, 50), (40, 40)])], {}),
    "sd21": (StableDiffusionPipeline, "tiny-sd21", [("plus", 1.0, [(50, 90)])], {}),
    "embeds": (StableDiffusionPipeline, "tiny-sd15", [("plain", 0.7, None)], {}),
    "image_to_image": (StableDiffusionImg2ImgPipeline, "tiny-sd15", [("plain", 0.7, [(50, 90)])], dict(strength=0.7, num_inference_steps=6)),
    "inpaint": (StableDiffusionInpaintPipeline, "tiny-inpaint", [("plain", 0.7, [(50, 90)])], {}),
    "control": (StableDiffusionControlNetPipeline, "tiny-sd15", [("plain", 0.7, [(50, 90)])], {}),
    "sdxl": (StableDiffusionXLPipeline, "tiny-sdxl", [("plain_xl", 0.8, [(70, 50)])], {}),
}
PICTURES = ("plain_0.6_two_images", "plus", "sdxl")  # cases whose pictures are kept, too


def make_encoder(folder):
    vision = dict(hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=SIDE, patch_size=7, projection_dim=PROJECTED, hidden_act="gelu")
    with_random_weights(CLIPVisionModelWithProjection(CLIPVisionConfig(**vision)), 950).half().save_pretrained(folder)
    path = folder / "model.safetensors"
    save_file({name if name.startswith(("vision_model.", "visual_")) else "vision_model." + name: tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


def matrix(g, rows, columns):
    return torch.randn((rows, columns), generator=g) * columns ** -0.5


def norm(g, name, channels):
    return {f"{name}.weight": 1 + 0.05 * torch.randn(channels, generator=g), f"{name}.bias": 0.02 * torch.randn(channels, generator=g)}


def linear(g, name, rows, columns):
    return {f"{name}.weight": matrix(g, rows, columns), f"{name}.bias": 0.02 * torch.randn(rows, generator=g)}


def projection(g, kind, context):
    if kind == "plain":
        return linear(g, "proj", 4 * context, PROJECTED) | norm(g, "norm", context)
    if kind == "full":
        return linear(g, "proj.0", WIDTH, WIDTH) | linear(g, "proj.2", context, WIDTH) | norm(g, "proj.3", context)
    if kind == "face":
        return linear(g, "proj.0", 2 * WIDTH, WIDTH) | linear(g, "proj.2", 4 * context, 2 * WIDTH) | norm(g, "norm", context)
    width, heads = 24, 2
    tensors = {"latents": torch.randn((1, 5, width), generator=g) * width ** -0.5}
    tensors |= linear(g, "proj_in", width, WIDTH) | linear(g, "proj_out", context, width) | norm(g, "norm_out", context)
    for i in range(4):  # as many as diffusers takes for granted
        attention, feed = f"layers.{i}.0", f"layers.{i}.1"
        tensors |= norm(g, f"{attention}.norm1", width) | norm(g, f"{attention}.norm2", width) | norm(g, f"{feed}.0", width)
        tensors |= {f"{attention}.to_q.weight": matrix(g, 64 * heads, width), f"{attention}.to_kv.weight": matrix(g, 128 * heads, width),
                    f"{attention}.to_out.weight": matrix(g, width, 64 * heads), f"{feed}.1.weight": matrix(g, 4 * width, width), f"{feed}.3.weight": matrix(g, width, 4 * width)}
    return tensors


def adapter(unet, kind, seed):
    """State dicts {"image_proj", "ip_adapter"}; the second counts the attention processors, self-attentions among them, as diffusers' modules stand."""
    g, context = torch.Generator().manual_seed(seed), unet.config.cross_attention_dim
    keys, weights = {}, dict(unet.named_parameters())
    for i, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            rows = weights[name.replace("processor", "to_k.weight")].shape[0]
            for part in ("k", "v"):
                keys[f"{i}.to_{part}_ip.weight"] = matrix(g, rows, context).half()
    return {"image_proj": {name: t.half() for name, t in projection(g, kind, context).items()}, "ip_adapter": keys}


def save(path, state):
    save_file({f"{part}.{name}": t.contiguous() for part, tensors in state.items() for name, t in tensors.items()}, path)


def make(folder, models):
    folder.mkdir(parents=True, exist_ok=True)
    make_encoder(folder / "image_encoder")
    for k, kind in enumerate(("plain", "plus", "full", "plain_xl")):
        unet = UNet2DConditionModel.from_pretrained(models / FILES.get(kind, "tiny-sd15") / "unet")
        state = adapter(unet, kind.removesuffix("_xl"), 960 + k)
        save(folder / f"{kind}.safetensors", state)
        if kind == "plain":
            torch.save(state, folder / "plain.bin")
    save(folder / "face.safetensors", {"image_proj": {n: t.half() for n, t in projection(torch.Generator().manual_seed(970), "face", 32).items()}})
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def add_encoder(store, folder):
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", dtype=torch.float32).eval()
    better = copy.deepcopy(encoder).double()
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    for width, height in ((70, 50), (29, 200)):
        picture = images.picture(width, height)
        pixels = processor(picture, return_tensors="pt").pixel_values
        with torch.no_grad():
            runs = [(o.image_embeds, o.hidden_states[-2]) for o in (m(p, output_hidden_states=True) for m, p in ((encoder, pixels), (better, pixels.double())))]
        store.add(f"ip_adapter/encoder_{width}x{height}", {}, {"image": images.array(picture)}, {"embeds": runs[0][0], "states": runs[0][1]},
                  {"embeds": tolerance(runs[0][0], [runs[1][0]]), "states": tolerance(runs[0][1], [runs[1][1]])})


def one_or_list(values):
    return values[0] if len(values) == 1 else values


def add(store, models, folder):
    make(folder, models)
    add_encoder(store, folder)
    for label, case in CASES.items():
        add_one(store, models, folder, label, *case)


def add_one(store, models, folder, label, pipeline_class, checkpoint, adapters, changes):
    call, inputs, settings = (xl.PLAIN if label == "sdxl" else PLAIN) | changes, {}, {}
    if label == "image_to_image":
        call = {k: v for k, v in call.items() if k not in ("height", "width")} | {"image": images.picture(64, 48)}
    if label == "inpaint":
        call |= {"height": 48, "width": 64, "image": images.picture(64, 48), "mask_image": images.mask(64, 48)}
    if label == "control":
        call |= {"image": images.picture(70, 50).convert("L").convert("RGB"), "controlnet_conditioning_scale": 0.8}
        settings["controls"] = [dict(scale=0.8, start=0.0, end=1.0)]
    for key in ("image", "mask_image"):
        if key in call:
            inputs["control_0" if label == "control" else key] = images.array(call[key])
    pictures = [[images.picture(*size) for size in sizes or ()] for _, _, sizes in adapters]
    for i, some in enumerate(pictures):
        inputs |= {f"ip_{i}_{k}": images.array(picture) for k, picture in enumerate(some)}
    embeds = seeded((2, PROJECTED), 7700)
    if label == "embeds":
        inputs["embeds"] = embeds
    runs = []
    for double in (False, True):
        parts = {} if label != "control" else {"controlnet": ControlNetModel.from_pretrained(folder.parent / "adapters" / "controlnet", torch_dtype=torch.float32)}
        if label == "sdxl":
            p = pipeline_class.from_pretrained(models / checkpoint, torch_dtype=torch.float32, add_watermarker=False)
        else:
            p = pipeline(pipeline_class, models / checkpoint, "DDIMScheduler", {}, False, **parts)
        p.set_progress_bar_config(disable=True)
        p.load_ip_adapter(str(folder), subfolder="", weight_name=[f"{name}.safetensors" for name, *_ in adapters])
        p.set_ip_adapter_scale(one_or_list([scale for _, scale, _ in adapters]))
        for network in (p.unet, p.vae, p.text_encoder, p.image_encoder, *parts.values(), *([p.text_encoder_2] if label == "sdxl" else ())) if double else ():
            network.double()
        if label == "embeds":
            own = torch.cat([torch.zeros_like(embeds)[None], embeds[None]])
            shown = {"ip_adapter_image_embeds": [own.double() if double else own]}
        else:
            shown = {"ip_adapter_image": pictures}
        runs.append(run(p, call | shown))
    (latents, _, config, drawn), (better, *_) = runs
    settings |= {k: v for k, v in call.items() if k not in ("image", "mask_image")} | {"seed": SEED, "scheduler": config}
    settings["ip_adapters"] = [dict(file=name, scale=scale, pictures=len(sizes or ())) for name, scale, sizes in adapters]
    outputs, allowed = {"latents": latents}, {"latents": tolerance(latents, [better], floor=2e-5)}
    if label in PICTURES:
        outputs["picture"], allowed["picture"] = drawn, {"atol": 1, "share": 0.999}
    store.add(f"ip_adapter/{label}", settings, inputs, outputs, allowed, checkpoint=checkpoint)
