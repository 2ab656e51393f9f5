"""Adapters, words and a ControlNet for tiny-sdxl, and what diffusers draws with them.

xl_kohya       kohya-ss: lora_te1_, lora_te2_, and lora_unet_ with the original repository's block names, alpha / rank of 1/2
xl_peft        PEFT's names as diffusers saves them, both text encoders, no alpha
xl_controlnet  a ControlNet in the diffusers layout
embeddings/xl-ink  a word of two vectors for each text encoder, as kohya-ss writes it
"""
import re

import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)
from safetensors.torch import load_file

from . import images
from .adapters import layers, pair, save
from .checkpoints import with_random_weights
from .pipelines import SEED, run
from .store import tolerance
from .xl import BASE, PLAIN

UNET = ("to_q", "to_out.0", "proj_in")
TEXT = ("q_proj", "v_proj", "fc1")
KOHYA_TEXT = ("fc1", "fc2")  # of kohya-ss's names for the attention of text encoders diffusers 0.42 with transformers 5 loads none
FEW = dict(num_inference_steps=3, height=64, width=64)
WORD = "xl-ink"

# case -> (file, scales) of each adapter; a scale for each network, or one for all
LORAS = {
    "kohya": [("xl_kohya", 1.0)],
    "kohya_0.6": [("xl_kohya", 0.6)],
    "peft": [("xl_peft", 1.0)],
    "two_together": [("xl_kohya", 0.5), ("xl_peft", -0.7)],
    "scale_for_each_network": [("xl_peft", {"unet": 0.5, "text_encoder": 1.0, "text_encoder_2": 0.25})],
}
# case -> scale, start, end, changes to the call
CONTROLS = {
    "control": ((1.0, 0.0, 1.0), {}),
    "control_first_half": ((0.7, 0.0, 0.5), dict(num_inference_steps=4)),
    "control_guess_mode": ((0.8, 0.0, 1.0), dict(guess_mode=True)),
    "control_without_guidance": ((0.8, 0.0, 1.0), dict(guidance_scale=1.0, original_size=(128, 96))),
    "control_from_a_picture": ((0.8, 0.2, 0.9), dict(strength=0.7, num_inference_steps=6)),
}


def original(name):
    """A module of the UNet under the original repository's name."""
    return re.sub(r"^(down|up)_blocks\.(\d)\.attentions\.(\d)",
                  lambda m: f"{'input' if m[1] == 'down' else 'output'}_blocks.{3 * int(m[2]) + int(m[3]) + (m[1] == 'down')}.1", name).replace("mid_block.attentions.0", "middle_block.1")


def make(folder, words, models):
    p = opened(models, double=False)
    g = torch.Generator().manual_seed(1500)
    tensors = {}
    for prefix, module, endings, called in (("lora_unet_", p.unet, UNET, original), ("lora_te1_text_model_", p.text_encoder, KOHYA_TEXT, str),
                                            ("lora_te2_text_model_", p.text_encoder_2, KOHYA_TEXT, str)):
        for name, weight in layers(module, endings):
            down, up = pair(weight, 2, g)
            base = prefix + called(name).replace(".", "_")
            tensors |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up, f"{base}.alpha": torch.tensor(1.0)}
    save(folder, "xl_kohya", tensors)
    tensors = {}
    for prefix, module, endings in (("unet.", p.unet, UNET), ("text_encoder.text_model.", p.text_encoder, TEXT), ("text_encoder_2.text_model.", p.text_encoder_2, TEXT)):
        for name, weight in layers(module, endings):
            down, up = pair(weight, 2, g)
            tensors |= {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}
    save(folder, "xl_peft", tensors)
    widths = {"clip_l": p.text_encoder.config.hidden_size, "clip_g": p.text_encoder_2.config.hidden_size}
    save(words, WORD, {name: 0.05 * torch.randn((2, width), generator=g) for name, width in widths.items()})
    net = ControlNetModel.from_unet(p.unet, conditioning_embedding_out_channels=(4, 8, 16, 16), load_weights_from_unet=False)
    with_random_weights(net, 1700).half().save_pretrained(folder / "xl_controlnet")
    for path in (folder / "xl_controlnet").iterdir():
        path.chmod(0o644)


def opened(models, double, pipeline_class=StableDiffusionXLPipeline, **parts):
    p = pipeline_class.from_pretrained(models / BASE, torch_dtype=torch.float32, add_watermarker=False, **parts)
    p.set_progress_bar_config(disable=True)
    return in_double(p) if double else p


def in_double(p):
    for network in (p.unet, p.vae, p.text_encoder, p.text_encoder_2, getattr(p, "controlnet", None)):
        if network is not None:
            network.double()
    return p


def add(store, models, folder, words):
    make(folder, words, models)
    for label, uses in LORAS.items():
        made = [attached(opened(models, double=False), folder, uses) for _ in range(2)]
        add_case(store, label, {"loras": uses}, {}, [made[0], in_double(made[1])], PLAIN | FEW)
    prompts = dict(prompt=f"a boat in {WORD}", negative_prompt=f"{WORD}, blurry", prompt_2=f"{WORD} on paper")
    add_case(store, "words", {"words": [WORD]}, {}, [in_double(p) if k else p for k, p in enumerate(taught(opened(models, double=False), words) for _ in range(2))], PLAIN | FEW | prompts)
    for label, (control, changes) in CONTROLS.items():
        add_control(store, models, folder, label, control, changes)


def attached(p, folder, uses):
    for name, _ in uses:
        p.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
    p.set_adapters([name for name, _ in uses], [scale for _, scale in uses])
    return p


def taught(p, words):
    vectors = load_file(words / f"{WORD}.safetensors")
    p.load_textual_inversion(vectors["clip_l"], token=WORD, text_encoder=p.text_encoder, tokenizer=p.tokenizer)
    p.load_textual_inversion(vectors["clip_g"], token=WORD, text_encoder=p.text_encoder_2, tokenizer=p.tokenizer_2)
    # With the legacy end of its config (2) transformers reads what a text comes to as a whole at the highest id, which is a new word's.
    p.text_encoder_2.text_model.eos_token_id = p.tokenizer_2.eos_token_id
    return p


def add_control(store, models, folder, label, control, changes):
    picture, edges = images.picture(64, 64), images.picture(64, 64).convert("L").convert("RGB")
    call = {k: v for k, v in (PLAIN | FEW | changes).items() if "strength" not in changes or k not in ("height", "width")}
    scale, start, end = control
    more = {"controlnet_conditioning_scale": scale, "control_guidance_start": start, "control_guidance_end": end}
    more |= {"image": picture, "control_image": edges} if "strength" in changes else {"image": edges}
    kind = StableDiffusionXLControlNetImg2ImgPipeline if "strength" in changes else StableDiffusionXLControlNetPipeline
    made = [opened(models, double, kind, controlnet=ControlNetModel.from_pretrained(folder / "xl_controlnet", torch_dtype=torch.float32)) for double in (False, True)]
    inputs = {"control_0": images.array(edges)} | ({"image": images.array(picture)} if "strength" in changes else {})
    add_case(store, label, {"controls": [dict(scale=scale, start=start, stop=end, guess_mode=changes.get("guess_mode", False))]}, inputs, made, call, more)


def add_case(store, label, settings, inputs, made, call, more={}):
    (latents, _, config, _), (better, *_) = (run(p, call | more) for p in made)
    store.add(f"xl_adapters/{label}", call | {"seed": SEED, "scheduler": config} | settings, inputs, {"latents": latents},
              {"latents": tolerance(latents, [better], floor=2e-5)}, checkpoint=BASE)
