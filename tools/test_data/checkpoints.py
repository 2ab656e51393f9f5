"""Small checkpoints with random weights, in the diffusers folder layout.

tiny-sd15 is built and named as SD 1.x was published: convolutions as projections, one head count, quick_gelu, epsilon, PNDM; first names of
the VAE's attention tensors; text encoder tensors under text_model. All float16.
tiny-sd21 is built as SD 2.1: linear projections, a head count per level, gelu, v_prediction, DDIM, padding with "!"; today's names; a type
of its own for each network, and the UNet in two shards with an index, so that readers meet these too.
tiny-inpaint is tiny-sd15 with the UNet of an inpainting model, which also sees the mask and the masked picture's latents.
"""
import json

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, PNDMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from . import vocabulary

NAMES = ("tiny-sd15", "tiny-sd21")
ALL = (*NAMES, "tiny-inpaint")
SIDE = 96  # the models' own picture size: 12 x 12 latents, which the UNet halves to 6, 3 and 2 (the odd one needs care going up)


def make(folder):
    for i, name in enumerate(NAMES):
        make_one(folder / name, second=name == "tiny-sd21", seed=100 * (i + 1))
    make_one(folder / "tiny-inpaint", second=False, seed=100, inpaint=True)


def make_one(folder, second, seed, inpaint=False):
    vocabulary_size = vocabulary.write(folder / "tokenizer", pad="!" if second else vocabulary.END)
    unet = with_random_weights(UNet2DConditionModel(**unet_config(second, inpaint)), seed)
    vae = with_random_weights(AutoencoderKL(**vae_config()), seed + 1)
    text = with_random_weights(CLIPTextModel(CLIPTextConfig(**text_config(second, vocabulary_size))), seed + 2)
    unet.to(torch.bfloat16 if second else torch.float16).save_pretrained(folder / "unet", max_shard_size="700KB" if second else "1GB")
    vae.to(torch.float16).save_pretrained(folder / "vae")
    text.to(torch.float32 if second else torch.float16).save_pretrained(folder / "text_encoder")
    scheduler(second).save_pretrained(folder / "scheduler")
    write_index(folder, type(scheduler(second)).__name__, StableDiffusionInpaintPipeline if inpaint else StableDiffusionPipeline)
    rename(folder / "text_encoder" / "model.safetensors", lambda n: ("" if second else "text_model.") + n.removeprefix("text_model."))
    if not second:
        rename(folder / "vae" / "diffusion_pytorch_model.safetensors", first_attention_name)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def unet_config(second, inpaint):
    return dict(sample_size=SIDE // 8, in_channels=9 if inpaint else 4, out_channels=4, block_out_channels=(8, 16, 24, 24), norm_num_groups=8, layers_per_block=2,
                cross_attention_dim=32, use_linear_projection=second, attention_head_dim=(1, 2, 3, 3) if second else 2)  # number of heads, by history


def vae_config():
    return dict(sample_size=SIDE, in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16, 16, 16), norm_num_groups=8,
                layers_per_block=2, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def text_config(second, vocabulary_size):
    # 0, 1 and 2 for these ids are wrong, and what the published configs say
    return dict(vocab_size=vocabulary_size, hidden_size=32, intermediate_size=64, num_hidden_layers=4 if second else 3, num_attention_heads=4,
                max_position_embeddings=77, hidden_act="gelu" if second else "quick_gelu", layer_norm_eps=1e-5, bos_token_id=0, pad_token_id=1,
                eos_token_id=2, projection_dim=32)


def scheduler(second):
    common = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, set_alpha_to_one=False)
    if second:
        return DDIMScheduler(clip_sample=False, prediction_type="v_prediction", **common)
    return PNDMScheduler(skip_prk_steps=True, **common)


def with_random_weights(module, seed):
    """Normal weights scaled by fan-in, norms near one, small biases: activations neither vanish nor explode. Drawn in order of name."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted((n.removeprefix("text_model."), p) for n, p in module.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "embedding.weight" in name:
                parameter.copy_(0.02 * noise)
            elif parameter.ndim > 1:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(0.02 * noise if name.endswith("bias") else 1 + 0.05 * noise)
    return module.eval()


def write_index(folder, scheduler_class, pipeline_class):
    parts = {"scheduler": ("diffusers", scheduler_class), "text_encoder": ("transformers", "CLIPTextModel"), "tokenizer": ("transformers", "CLIPTokenizer"),
             "unet": ("diffusers", "UNet2DConditionModel"), "vae": ("diffusers", "AutoencoderKL"), "feature_extractor": (None, None), "safety_checker": (None, None)}
    index = {"_class_name": pipeline_class.__name__, "_diffusers_version": diffusers.__version__, "requires_safety_checker": False} | parts
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def first_attention_name(name):
    for today, first in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")):
        name = name.replace(today, first)
    return name


def rename(path, new_name):
    save_file({new_name(name): tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})
