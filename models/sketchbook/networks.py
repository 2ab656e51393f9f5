"""The three networks, as diffusers and transformers define them, at Sketchbook's sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel

from bpe import LENGTH

WIDTH = 128  # of the text encoder and so of the UNet's cross-attention


def autoencoder(channels: tuple[int, ...] = (32, 32, 64, 128)) -> AutoencoderKL:
    """128 x 128 x 3 to 16 x 16 x 4 and back, 2.8 million parameters.

    Groups of four or more channels: with groups of one, normalization would take a channel's mean away,
    and with it the colour of a flat picture.
    """
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=channels,
        layers_per_block=1, norm_num_groups=8, latent_channels=4, sample_size=128,
    )  # fmt: skip


def unet(channels: tuple[int, ...] = (64, 96, 160)) -> UNet2DConditionModel:
    """Denoiser of 16 x 16 x 4 latents, 7 million parameters; attention at 8 x 8 and 4 x 4 only.

    At 16 x 16 attention would cost a third of the step and a prompt places nothing finer than a cell of
    the 3 x 3 grid. Heads are 32 wide.
    """
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=channels, layers_per_block=1, norm_num_groups=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=[c // 32 for c in channels],
    )  # fmt: skip


def text_encoder(vocabulary: int) -> CLIPTextModel:
    """Three causal layers of width 128; start and end of text are the vocabulary's last two ids."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH, num_hidden_layers=3,
            num_attention_heads=4, max_position_embeddings=LENGTH, hidden_act="quick_gelu",
            bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1,
        )
    )  # fmt: skip


def thrifty(*models: torch.nn.Module) -> None:
    """Faster training on a CPU in bfloat16, the same functions: 1.0 to 0.6 core seconds for the UNet and 32 latents.

    torch's flash attention for the CPU is slow at 64 tokens and slower backwards: plain matrix products
    win. Its group normalization backwards in channels-last bfloat16 is three times as slow as in float32.
    In training mode diffusers copies the widest tensors out of channels-last; there is no dropout to lose.
    """
    for model in models:
        model.eval()
        if isinstance(model, CLIPTextModel):
            model.set_attn_implementation("eager")
        else:
            model.set_attn_processor(AttnProcessor())
        for module in model.modules():
            if isinstance(module, torch.nn.GroupNorm):
                module.forward = _group_norm.__get__(module)


def _group_norm(self: torch.nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
    return F.group_norm(x.float(), self.num_groups, self.weight, self.bias, self.eps).to(x.dtype)


def millions(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


class Average:
    """Exponential moving average of a module's parameters; short at first, so early values leave it."""

    def __init__(self, module: torch.nn.Module, decay: float = 0.998) -> None:
        self.decay, self.steps = decay, 0
        self.values = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for k, v in module.state_dict().items():
            if v.is_floating_point():
                self.values[k].lerp_(v, 1 - decay)
            else:
                self.values[k].copy_(v)
