"""Impasto's networks in the place of torch's, in a pipeline of diffusers'. Needs torch and diffusers, which such a pipeline has."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import torch

from . import devices
from .controlnet import ControlNetModel
from .models import AutoencoderKL, UNet2DConditionModel, lora_scale
from .once import accepted, say_once
from .text_models import CLIPTextModel

_TYPES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


def accelerate(pipe: Any, *, vae: bool = False, text_encoder: bool = False, controlnet: bool = True) -> Any:
    """See impasto.accelerate."""
    unet = getattr(pipe, "unet", None)
    if not isinstance(unet, torch.nn.Module):
        raise TypeError(f"impasto.accelerate takes a diffusers pipeline with a UNet2DConditionModel, not {type(pipe)}")
    parts: dict[str, Any] = {"unet": unet if isinstance(unet, AcceleratedUNet) else AcceleratedUNet(unet)}
    if vae and not isinstance(pipe.vae, AcceleratedVae):
        parts["vae"] = AcceleratedVae(pipe.vae)
    if text_encoder and not isinstance(pipe.text_encoder, AcceleratedTextEncoder):
        parts["text_encoder"] = AcceleratedTextEncoder(pipe.text_encoder)
    if controlnet and getattr(pipe, "controlnet", None) is not None:
        parts["controlnet"] = _accelerated_control(pipe.controlnet)
    for name, part in parts.items():  # when all of them could be made
        setattr(pipe, name, part)
    return pipe


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """By the names that they have without PEFT, with what PEFT's active adapters (LoRA) add to them now."""
    weights = dict(module.state_dict())
    for prefix, layer in module.named_modules():
        if not hasattr(layer, "get_delta_weight"):
            continue
        base = layer.get_base_layer()
        for name in base.state_dict():
            weights[f"{prefix}.{name}"] = base.state_dict()[name]
        merged = set(layer.merged_adapters)
        if any(adapter in getattr(layer, "lora_magnitude_vector", {}) for adapter in layer.active_adapters):
            raise NotImplementedError("a DoRA adapter is attached: fuse_lora() before accelerate()")
        active = [] if layer.disable_adapters else [a for a in layer.active_adapters if a in layer.lora_A and a not in merged]
        for adapter in active:
            weights[f"{prefix}.weight"] = weights[f"{prefix}.weight"] + layer.get_delta_weight(adapter).to(base.weight.dtype)
        for name in [n for n in weights if n.startswith(f"{prefix}.") and (".base_layer." in n or ".lora_" in n)]:
            del weights[name]
    return weights


def _given(module: torch.nn.Module, prefix: str = "") -> tuple[list[tuple[str, str, list[int], int]], list[torch.Tensor]]:
    """The weights as the engine takes them, and what keeps them alive. Nothing is copied that lies densely on the host."""
    tensors, kept = [], []
    for name, tensor in _weights(module).items():
        if tensor.dtype not in _TYPES:
            continue  # position_ids and the like
        tensor = tensor.detach().to("cpu").contiguous()
        kept.append(tensor)
        tensors.append((name.removeprefix(prefix), _TYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr()))
    return tensors, kept


def _place_of(device: torch.device, dtype: torch.dtype) -> devices.Place:
    """Where Impasto computes for a module that is there: on the CPU where it cannot on the module's device."""
    wished = _TYPES.get(dtype)
    if device.type == "cpu":
        return devices.find("cpu", wished)
    if wished == "float32":
        say_once("a network in float32 on a GPU is computed by Impasto in float16; load it in torch.bfloat16 or torch.float16 to choose")
        wished = None
    try:
        return devices.find(str(device), wished)
    except RuntimeError as error:
        say_once(f"a network on {device} is computed by Impasto on the CPU: {error}")
        return devices.find("cpu", wished)


def _made(model_class: Any, module: torch.nn.Module) -> Any:
    """Impasto's model of a module's weights."""
    first = next(module.parameters(), torch.empty(0))
    place = _place_of(first.device, first.dtype)
    return model_class(_core_of(model_class._core_class, module, place), _config_dict(module), None, place)


def _core_of(core_class: Any, module: torch.nn.Module, place: devices.Place) -> Any:
    config = {k: v for k, v in dict(_config_dict(module)).items() if _is_json(v)}
    config["_class_name"] = type(module).__name__
    tensors, kept = _given(module)
    return core_class.from_weights(json.dumps(config), tensors, kept, **place._asdict())


def _config_dict(module: torch.nn.Module) -> dict[str, Any]:
    config = module.config
    return config.to_dict() if hasattr(config, "to_dict") else dict(config)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


class _Accelerated(torch.nn.Module):
    """A module without parameters that looks like the one it stands for."""

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self._look_like(module)

    def _look_like(self, module: torch.nn.Module) -> None:
        self.config = module.config
        self._dtype = next((t.dtype for t in module.parameters()), torch.float32)
        self._device = next((t.device for t in module.parameters()), torch.device("cpu"))
        self.eval()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}: it computes, and nothing else; load adapters and words into the pipeline before accelerate()") from None

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @property
    def device(self) -> torch.device:
        return self._device

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """As torch.nn.Module's: Impasto's network moves, too, where it can compute there."""
        device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
        self._device, self._dtype = device or self._device, dtype or self._dtype
        place = _place_of(self._device, self._dtype)
        self.impasto.to(device=place.device, dtype=place.dtype)
        return self

    fuse_qkv_projections = accepted("fuse_qkv_projections")
    unfuse_qkv_projections = accepted("unfuse_qkv_projections")
    set_attn_processor = accepted("set_attn_processor")
    set_default_attn_processor = accepted("set_default_attn_processor")
    disable_freeu = accepted("disable_freeu")


class AcceleratedUNet(_Accelerated):
    """diffusers' UNet2DConditionModel, computed by Impasto. `forward` takes and gives torch tensors."""

    def __init__(self, unet: torch.nn.Module):
        super().__init__(unet)
        if any(getattr(block, "s1", None) is not None for block in getattr(unet, "up_blocks", ())):
            raise NotImplementedError("FreeU is on, which Impasto does not have: disable_freeu() before accelerate()")
        self.impasto = _made(UNet2DConditionModel, unet)
        self._adapted = any(hasattr(layer, "get_delta_weight") for layer in unet.modules())
        if (embedding := getattr(unet, "add_embedding", None)) is not None:  # SDXL's pipelines look at its size
            self.add_embedding = SimpleNamespace(linear_1=SimpleNamespace(in_features=embedding.linear_1.in_features))

    def forward(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, *args: Any, return_dict: bool = True, **kwargs: Any) -> Any:
        """As UNet2DConditionModel.forward of impasto; adapters have the scale that they had."""
        if self._adapted and lora_scale(kwargs.get("cross_attention_kwargs")) != 1:
            raise NotImplementedError("an accelerated UNet keeps its adapters as they were: set their scale before accelerate(), and leave cross_attention_kwargs out")
        out = self.impasto.forward(sample, timestep, encoder_hidden_states, *args, return_dict=False, **kwargs)[0]
        if not return_dict:
            return (out,)
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

        return UNet2DConditionOutput(sample=out)


class AcceleratedControlNet(_Accelerated, diffusers.ControlNetModel):
    """diffusers' ControlNetModel, computed by Impasto; diffusers' pipelines ask for its class."""

    config: Any = None

    def __init__(self, net: torch.nn.Module):
        torch.nn.Module.__init__(self)
        self._look_like(net)
        self.impasto = _made(ControlNetModel, net)

    def forward(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, controlnet_cond: torch.Tensor, *args: Any, return_dict: bool = True, **kwargs: Any) -> Any:
        """As ControlNetModel.forward of impasto."""
        down, mid = self.impasto.forward(sample, timestep, encoder_hidden_states, controlnet_cond, *args, return_dict=False, **kwargs)
        if not return_dict:
            return down, mid
        from diffusers.models.controlnets.controlnet import ControlNetOutput

        return ControlNetOutput(down_block_res_samples=tuple(down), mid_block_res_sample=mid)


class AcceleratedMultiControlNet(diffusers.MultiControlNetModel):
    """Several, which have no parameters that could tell their type and place."""

    @property
    def dtype(self) -> torch.dtype:
        return self.nets[0].dtype

    @property
    def device(self) -> torch.device:
        return self.nets[0].device

    def to(self, *args: Any, **kwargs: Any) -> Any:
        for net in self.nets:
            net.to(*args, **kwargs)
        return self


def _accelerated_control(net: Any) -> Any:
    if isinstance(net, (AcceleratedControlNet, AcceleratedMultiControlNet)):
        return net
    if isinstance(net, diffusers.MultiControlNetModel):
        return AcceleratedMultiControlNet([_accelerated_control(each) for each in net.nets])
    return AcceleratedControlNet(net)


class AcceleratedVae(_Accelerated):
    """diffusers' AutoencoderKL, computed by Impasto."""

    def __init__(self, vae: torch.nn.Module):
        super().__init__(vae)
        self.impasto = _made(AutoencoderKL, vae)

    def decode(self, z: torch.Tensor, return_dict: bool = True, generator: Any = None) -> Any:
        from diffusers.models.autoencoders.vae import DecoderOutput

        out = self.impasto.decode(z, return_dict=False)[0]
        return DecoderOutput(sample=out) if return_dict else (out,)

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Any:
        from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
        from diffusers.models.modeling_outputs import AutoencoderKLOutput

        moments = torch.from_numpy(self.impasto._ready().encode(np.ascontiguousarray(x.detach().float().cpu().numpy()), tiled=self.impasto.use_tiling))
        posterior = DiagonalGaussianDistribution(moments.to(device=x.device, dtype=x.dtype))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def enable_slicing(self) -> None:
        pass

    disable_slicing = enable_slicing

    def enable_tiling(self, use_tiling: bool = True) -> None:
        self.impasto.enable_tiling(use_tiling)

    def disable_tiling(self) -> None:
        self.impasto.disable_tiling()


class AcceleratedTextEncoder(_Accelerated):
    """transformers' CLIPTextModel, computed by Impasto; hidden states of single layers come from the module that it stands for."""

    def __init__(self, text_encoder: torch.nn.Module):
        super().__init__(text_encoder)
        self.impasto = _made(CLIPTextModel, text_encoder)
        self._original = SimpleNamespace(module=text_encoder)  # not a submodule: its weights are not this one's

    @property
    def text_model(self) -> Any:
        return getattr(self._original.module, "text_model", self._original.module)

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, output_hidden_states: bool | None = None, **kwargs: Any) -> Any:
        if attention_mask is not None or output_hidden_states or kwargs:
            return self._original.module(input_ids, attention_mask=attention_mask, output_hidden_states=output_hidden_states, **kwargs)
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        ids = np.ascontiguousarray(input_ids.cpu().numpy(), np.int32)
        out = torch.from_numpy(self.impasto._ready().forward(ids)).to(device=input_ids.device, dtype=self.dtype)
        ends = (input_ids == self.config.eos_token_id).int().argmax(dim=-1) if self.config.eos_token_id != 2 else input_ids.argmax(dim=-1)
        return BaseModelOutputWithPooling(last_hidden_state=out, pooler_output=out[torch.arange(len(out)), ends])
