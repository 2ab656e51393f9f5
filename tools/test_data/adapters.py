"""Adapter files for tiny-sd15, under the names of several trainers, and what diffusers draws with them.

lora_kohya       kohya-ss: attention of UNet and text encoder, alpha / rank of 1/2 (scale 1 in the text encoder)
lora_peft        PEFT's names as diffusers saves them, 3x3 convolutions among the layers, no alpha
lora_processors  diffusers' attention processors, before it had PEFT
lora_dora        PEFT's names, with a magnitude for each output
loha, lokr       LyCORIS, made by PEFT's layers of these kinds: matrices and 3x3 convolutions, whole and factored
lora_other       kohya-ss, for a model twice as wide
controlnet       a ControlNet in the diffusers layout, its "zero convolutions" random as well
"""
import peft
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from . import images
from .checkpoints import with_random_weights
from .pipelines import PLAIN, SEED, pipeline, run
from .store import tolerance

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
CONVOLUTIONS = ("resnets.0.conv1", "resnets.1.conv2", "proj_in")
CHECKPOINT = "tiny-sd15"

# case -> (file, scale) of each adapter
CASES = {
    "kohya": [("lora_kohya", 1.0)],
    "kohya_0.6": [("lora_kohya", 0.6)],
    "peft_convolutions": [("lora_peft", 1.0)],
    "two_together": [("lora_kohya", 0.5), ("lora_peft", -0.7)],
    "attention_processors": [("lora_processors", 1.0)],
    "dora": [("lora_dora", 1.0)],
    "dora_0.4": [("lora_dora", 0.4)],
}
# case -> (scale, start, end) of each ControlNet, changes to the call
CONTROLS = {
    "control": ([(1.0, 0.0, 1.0)], {}),
    "control_0.5": ([(0.5, 0.0, 1.0)], {}),
    "control_first_half": ([(1.0, 0.0, 0.5)], {}),
    "control_two": ([(0.7, 0.0, 1.0), (0.4, 0.3, 0.8)], dict(num_inference_steps=6)),
    "control_from_a_picture": ([(0.8, 0.2, 0.7)], dict(strength=0.7, num_inference_steps=8)),
    "control_without_guidance": ([(0.8, 0.0, 1.0)], dict(guidance_scale=1.0)),
}
LYCORIS = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}


def layers(module, endings):
    """(name, weight) of the layers whose names end so, by name."""
    return sorted((n.removeprefix("text_model."), m.weight) for n, m in module.named_modules() if n.endswith(endings) and hasattr(m, "weight"))


def pair(weight, rank, g):
    """Down [rank, in, ...] and up [out, rank, ...] that change a layer by about a third of its own size."""
    ones = (1,) * (weight.ndim - 2)
    down = torch.randn((rank, *weight.shape[1:]), generator=g) * weight[0].numel() ** -0.5
    up = torch.randn((weight.shape[0], rank, *ones), generator=g) * 0.35 * rank ** -0.5
    return down.half(), up.half()


def kohya(networks, g, alpha=2.0, rank=4, widen=1):
    """networks: (prefix, module, endings). widen: for a model so many times as wide."""
    tensors = {}
    for prefix, module, endings in networks:
        for name, weight in layers(module, endings):
            down, up = pair(weight.repeat(widen, widen, *(1,) * (weight.ndim - 2)), rank, g)
            base = prefix + name.replace(".", "_")
            tensors |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up, f"{base}.alpha": torch.tensor(alpha)}
    return tensors


def make(folder, models):
    """Writes the files that need no network of PEFT's."""
    folder.mkdir(parents=True, exist_ok=True)
    p = StableDiffusionPipeline.from_pretrained(models / CHECKPOINT, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None)
    g = torch.Generator().manual_seed(500)
    both = [("lora_unet_", p.unet, ATTENTION), ("lora_te_text_model_", p.text_encoder, TEXT)]
    save(folder, "lora_kohya", kohya(both[:1], g) | kohya(both[1:], g, alpha=4.0))
    save(folder, "lora_other", kohya(both[:1], g, widen=2))
    tensors = {}
    for prefix, module, endings in (("unet.", p.unet, ATTENTION + CONVOLUTIONS), ("text_encoder.text_model.", p.text_encoder, TEXT)):
        for name, weight in layers(module, endings):
            down, up = pair(weight, 2, g)
            tensors |= {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}
    save(folder, "lora_peft", tensors)
    tensors = {}
    for name, weight in layers(p.unet, ATTENTION):
        block, layer = name.split(".to_")
        down, up = pair(weight, 2, g)
        base = f"unet.{block}.processor.to_{layer.removesuffix('.0')}_lora"
        tensors |= {f"{base}.down.weight": down, f"{base}.up.weight": up}
    save(folder, "lora_processors", tensors)
    tensors = {}
    for name, weight in layers(p.unet, ATTENTION):
        down, up = pair(weight, 2, g)
        magnitude = weight.norm(dim=1) * (1 + 0.2 * torch.randn(weight.shape[0], generator=g))
        tensors |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_magnitude_vector": magnitude.detach().half()}
    save(folder, "lora_dora", tensors)


def lycoris(unet, kind, folder=None):
    """Puts PEFT's layers into the UNet, with random numbers; writes them under LyCORIS's names where a folder is given."""
    more = {"decompose_both": False, "decompose_factor": 4} if kind == "lokr" else {}
    targets = [name for name, _ in layers(unet, ("to_q", "to_out.0", "proj_in", "resnets.0.conv1", "resnets.1.conv2"))]
    # alpha / r is 1: where both of LoKr's factors are whole, PEFT scales by it and LyCORIS does not
    config = LYCORIS[kind](r=2, alpha=2.0, target_modules=targets, use_effective_conv2d=True, **more)
    peft.inject_adapter_in_model(config, unet)
    g, tensors = torch.Generator().manual_seed(900), {}
    with torch.no_grad():
        for name, parameter in sorted(unet.named_parameters()):
            if ".hada_" in name or ".lokr_" in name:
                parameter.copy_((0.5 * torch.randn(parameter.shape, generator=g)).half())
                base, _, part = name.removesuffix(".default").rpartition(".")
                tensors[f"lora_unet_{base.replace('.', '_')}.{part}"] = parameter.detach().half().contiguous()
    for name in {n.rpartition(".")[0] for n in tensors}:
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    if folder is not None:
        save(folder, kind, tensors)


def save(folder, name, tensors):
    path = folder / f"{name}.safetensors"
    save_file(tensors, path, {"format": "pt"})
    path.chmod(0o644)


def add(store, models, folder):
    make(folder, models)
    for label, uses in CASES.items():
        add_case(store, models, label, uses, lambda p, uses=uses: attach(p, folder, uses))
    for label, (controls, changes) in CONTROLS.items():
        add_control(store, models, folder, label, controls, changes)
    for kind in LYCORIS:
        add_case(store, models, kind, [(kind, 1.0)], lambda p, kind=kind: lycoris(p.unet, kind, folder))


def make_controlnet(folder, models):
    unet = UNet2DConditionModel.from_pretrained(models / CHECKPOINT / "unet", torch_dtype=torch.float32)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 16, 16), load_weights_from_unet=False)
    with_random_weights(net, 700).half().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def add_control(store, models, folder, label, controls, changes):
    if not (folder / "controlnet").exists():
        make_controlnet(folder / "controlnet", models)
    call = {k: v for k, v in PLAIN.items() if "strength" not in changes or k not in ("height", "width")} | changes
    picture, edges = images.picture(96, 80), [images.picture(70 + 9 * k, 50).convert("L").convert("RGB") for k in range(len(controls))]
    one = lambda values: values[0] if len(values) == 1 else list(values)  # noqa: E731
    more = {"controlnet_conditioning_scale": one([c[0] for c in controls]), "control_guidance_start": one([c[1] for c in controls]),
            "control_guidance_end": one([c[2] for c in controls])}
    if "strength" in changes:
        more |= {"image": picture, "control_image": one([e.resize((96, 80), 1) for e in edges])}
        edges = [e.resize((96, 80), 1) for e in edges]
    else:
        more |= {"image": one(edges)}
    kind = StableDiffusionControlNetImg2ImgPipeline if "strength" in changes else StableDiffusionControlNetPipeline
    runs = []
    for double in (False, True):
        nets = [ControlNetModel.from_pretrained(folder / "controlnet", torch_dtype=torch.float32) for _ in controls]
        p = pipeline(kind, models / CHECKPOINT, "DDIMScheduler", {}, double, controlnet=one(nets))
        for net in nets if double else ():
            net.double()
        runs.append(run(p, call | more))
    (latents, noise, config, drawn), (better, *_) = runs
    inputs = {f"control_{k}": images.array(e) for k, e in enumerate(edges)} | ({"image": images.array(picture)} if "strength" in changes else {})
    settings = call | {"seed": SEED, "scheduler": config, "controls": [dict(scale=s, start=b, stop=e) for s, b, e in controls]}
    store.add(f"adapters/{label}", settings, inputs, {"latents": latents, "picture": drawn, "drawn_0": noise},
              {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)


def attach(p, folder, uses):
    for name, _ in uses:
        p.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
    p.set_adapters([name for name, _ in uses], [scale for _, scale in uses])


def add_case(store, models, label, uses, change):
    runs = []
    for double in (False, True):
        p = pipeline(StableDiffusionPipeline, models / CHECKPOINT, "DDIMScheduler", {}, False)
        vars(p.text_encoder).pop("text_model", None)  # misleads load_lora_weights
        change(p)
        for network in (p.unet, p.vae, p.text_encoder) if double else ():
            network.double()
        runs.append(run(p, PLAIN))
    (latents, noise, config, picture), (better, *_) = runs
    store.add(f"adapters/{label}", PLAIN | {"seed": SEED, "scheduler": config, "loras": uses}, {}, {"latents": latents, "picture": picture, "drawn_0": noise},
              {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)
