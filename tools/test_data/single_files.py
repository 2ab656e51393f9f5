"""Tables of names for single files: which tensor of a checkpoint's folder lies where in a file in the layout of the first releases.

tests/data/single_files/NAME.tsv has a line for each tensor of such a file: its name there, the component, and the names of the folder's tensors
that it consists of, one after the other along the first dimension. The tests make the file from the folder by it. diffusers' own converters
take what the table makes back to the folder's tensors: check() compares.
"""
import json
import re
import types

import torch
from diffusers.loaders import single_file_utils as diffusers_reader
from safetensors.torch import load_file

UNET = [(r"time_embedding\.linear_1", "time_embed.0"), (r"time_embedding\.linear_2", "time_embed.2"), (r"add_embedding\.linear_1", "label_emb.0.0"),
        (r"add_embedding\.linear_2", "label_emb.0.2"), (r"conv_in", "input_blocks.0.0"),
        (r"conv_norm_out", "out.0"), (r"conv_out", "out.2"), (r"mid_block\.resnets\.0", "middle_block.0"), (r"mid_block\.attentions\.0", "middle_block.1"),
        (r"mid_block\.resnets\.1", "middle_block.2")]
RESNET = [(r"\bnorm1\b", "in_layers.0"), (r"\bconv1\b", "in_layers.2"), (r"time_emb_proj", "emb_layers.1"), (r"\bnorm2\b", "out_layers.0"),
          (r"\bconv2\b", "out_layers.3"), (r"conv_shortcut", "skip_connection")]
VAE = [(r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"), (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
       (r"mid_block\.attentions\.0\.(to_q|query)", "mid.attn_1.q"), (r"mid_block\.attentions\.0\.(to_k|key)", "mid.attn_1.k"),
       (r"mid_block\.attentions\.0\.(to_v|value)", "mid.attn_1.v"), (r"mid_block\.attentions\.0\.(to_out\.0|proj_attn)", "mid.attn_1.proj_out"),
       (r"conv_norm_out", "norm_out"), (r"conv_shortcut", "nin_shortcut"), (r"(down|up)samplers\.0", r"\1sample"), (r"\.resnets\.", ".block."),
       (r"down_blocks", "down"), (r"up_blocks\.(\d)", lambda m: f"up.{3 - int(m[1])}")]
CLIP = [(r"layer_norm", "ln_"), (r"mlp\.fc1", "mlp.c_fc"), (r"mlp\.fc2", "mlp.c_proj"), (r"self_attn\.out_proj", "attn.out_proj"),
        (r"encoder\.layers", "transformer.resblocks"), (r"final_ln_", "ln_final"), (r"embeddings\.token_embedding", "token_embedding"),
        (r"embeddings\.position_embedding\.weight", "positional_embedding")]


def make(folder, out):
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tiny-sd15", "tiny-sd21"):
        tensors = {part: load(folder / name / part) for part in ("unet", "vae", "text_encoder")}
        rows = unet_rows(tensors["unet"]) + vae_rows(tensors["vae"])
        rows += open_clip_rows(tensors["text_encoder"]) if name == "tiny-sd21" else [(f"cond_stage_model.transformer.{n}", "text_encoder", [n]) for n in tensors["text_encoder"]]
        check(folder / name, tensors, rows)
        write(out / f"{name}.tsv", rows)


def make_xl(folder, out):
    """Of SDXL's base model and refiner. The projection is stored transposed."""
    for name in ("tiny-sdxl", "tiny-sdxl-refiner"):
        tensors = {part: load(folder / name / part) for part in ("unet", "vae", "text_encoder", "text_encoder_2")}
        prefix = f"conditioner.embedders.{1 if tensors['text_encoder'] else 0}.model."
        rows = unet_rows(tensors["unet"]) + vae_rows(tensors["vae"])
        rows += [(f"conditioner.embedders.0.transformer.{with_prefix(n)}", "text_encoder", [n]) for n in tensors["text_encoder"]]
        for original, part, names in open_clip_rows(tensors["text_encoder_2"], "text_encoder_2", prefix, more_layers=False):
            rows.append((prefix + "text_projection" if names == ["text_projection.weight"] else original, part, [with_prefix(n) for n in names]))
        check(folder / name, tensors, rows)
        check_open_clip(tensors["text_encoder_2"], rows, prefix)
        write(out / f"{name}.tsv", rows)


def write(path, rows):
    path.write_text("".join(f"{original}\t{part}\t{' '.join(names)}\n" for original, part, names in sorted(rows)))


def check_open_clip(tensors, rows, prefix):
    file = {original: torch.cat([tensors[name] for name in names]) for original, part, names in rows if part == "text_encoder_2"}
    file[prefix + "text_projection"] = file[prefix + "text_projection"].T.contiguous()
    model = types.SimpleNamespace(config=types.SimpleNamespace(hidden_size=tensors["text_projection.weight"].shape[1]))
    same(diffusers_reader.convert_open_clip_checkpoint(model, dict(file), prefix), {with_prefix(name): tensor for name, tensor in tensors.items()})


def with_prefix(name):
    return name if name.startswith("text_") else "text_model." + name


def load(folder):
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def replaced(name, table):
    for pattern, text in table:
        name = re.sub(pattern, text, name)
    return name


def unet_rows(tensors):
    attending = {int(name.split(".")[1]) for name in tensors if re.match(r"up_blocks\.\d\.attentions", name)}
    resnets = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"down_blocks\.0\.resnets\.(\d)", name)))
    return [("model.diffusion_model." + unet_name(name, attending, resnets + 1), "unet", [name]) for name in tensors]


def unet_name(name, attending=(1, 2, 3), layers=3):
    """layers: of a block; resnets and a down-sampler, or one resnet more."""
    match = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name)
    if not match:
        return replaced(replaced(name, UNET), RESNET if ".resnets." in name else [])
    side, block, kind, layer, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    number = layers * block + layer + (side == "down")
    if kind == "downsamplers":
        return f"input_blocks.{layers * (block + 1)}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{layers * block + layers - 1}.{2 if block in attending else 1}.{rest}"
    where = "input_blocks" if side == "down" else "output_blocks"
    return f"{where}.{number}.1.{rest}" if kind == "attentions" else f"{where}.{number}.0.{replaced(rest, RESNET)}"


def vae_rows(tensors):
    return [("first_stage_model." + replaced(name, VAE), "vae", [name]) for name in tensors]


def open_clip_rows(tensors, part="text_encoder", prefix="cond_stage_model.model.", more_layers=True):
    rows = []
    for name in tensors:
        name = name.removeprefix("text_model.")
        if match := re.match(r"(.*)self_attn\.q_proj\.(.*)", name):
            parts = [f"{match[1]}self_attn.{x}_proj.{match[2]}" for x in "qkv"]
            rows.append((f"{prefix}{replaced(match[1], CLIP)}attn.in_proj_{match[2]}", part, parts))
        elif not re.search(r"self_attn\.[kv]_proj", name):
            rows.append((prefix + replaced(name, CLIP), part, [name]))
    if not more_layers:
        return rows
    layers = 1 + max(int(n.split(".")[2]) for n in tensors if n.startswith("encoder.layers."))
    last = f".resblocks.{layers - 1}."  # the published files have a layer more, which nobody runs; here a copy of the one before
    return rows + [(original.replace(last, f".resblocks.{layers}."), part, names) for original, part, names in rows if last in original]


def check(folder, tensors, rows):
    file = {original: torch.cat([tensors[part][name] for name in names]) for original, part, names in rows}
    config = {part: json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae")}
    same(diffusers_reader.convert_ldm_unet_checkpoint(dict(file), config["unet"]), tensors["unet"])
    today = {replaced(n, [(r"\.query\.", ".to_q."), (r"\.key\.", ".to_k."), (r"\.value\.", ".to_v."), (r"proj_attn", "to_out.0")]): t for n, t in tensors["vae"].items()}
    same(diffusers_reader.convert_ldm_vae_checkpoint(dict(file), config["vae"]), today)


def same(converted, expected):
    assert converted.keys() == expected.keys(), converted.keys() ^ expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(converted[name].reshape(tensor.shape), tensor), name
