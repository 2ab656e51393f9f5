"""Tokens, noise, and single passes of the text encoder, the UNet and the VAE."""
import copy

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .checkpoints import NAMES
from .prompts import PROMPTS
from .store import drawing_in_float32, seeded, tolerance


def add_tokenizer(store, folder):
    tokenizers = {name: CLIPTokenizer.from_pretrained(folder / name / "tokenizer") for name in NAMES}
    for kind, texts in PROMPTS.items():
        for i, text in enumerate(texts):
            padded = {"ids_" + name.removeprefix("tiny-"): torch.tensor(t(text, padding="max_length", max_length=77, truncation=True).input_ids, dtype=torch.int32)
                      for name, t in tokenizers.items()}
            store.add(f"tokenizer/{kind}/{i:02d}", outputs=padded, text=text, ids=tokenizers[NAMES[0]](text).input_ids, checkpoint=NAMES[0])


def add_noise(store):
    """torch.randn in float32: single draws on both sides of 16 values, where its path changes, and draws in a row."""
    single = [(seed, [shape]) for seed in (3, 2**40 + 5, -7) for shape in ((5,), (15,), (16,), (17,), (40,), (1, 4, 12, 12))]
    in_a_row = [(9, [(3,), (16,), (1,), (5, 5)]), (9, [(1, 4, 3, 3)] * 3)]
    for seed, shapes in single + in_a_row:
        generator = torch.Generator().manual_seed(seed)
        draws = {f"draw_{i}": torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)}
        name = "_".join("x".join(map(str, shape)) for shape in shapes)
        store.add(f"noise/seed_{seed}/{name}", {"seed": seed, "draws": [list(s) for s in shapes], "dtype": "float32"}, outputs=draws,
                  tolerance={draw: {"atol": 2e-6} for draw in draws})


def add_variations(store):
    """Noise led towards another seed's along great circles over the rows of each image, as A1111's slerp does with tensors [c, h, w]."""
    for share in (0.1, 0.5, 1.0):
        for shape in ((4, 12, 7), (4, 8, 8)):
            a, b = (seeded((1, *shape), seed)[0] for seed in (5, 9))
            angle = torch.acos((a / a.norm(dim=1, keepdim=True) * (b / b.norm(dim=1, keepdim=True))).sum(dim=1, keepdim=True))
            mixed = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
            store.add(f"variations/{share}_{'x'.join(map(str, shape))}", {"share": share, "seeds": [5, 9]}, outputs={"noise": mixed[None]},
                      tolerance={"noise": {"atol": 1e-5}})


def in_both_precisions(model, call):
    """call(model, cast) in float32 and in float64; the float32 results and the tolerances that their distance gives."""
    with torch.no_grad():
        single = call(model, lambda t: t)
        double = call(copy.deepcopy(model).double(), lambda t: t.double())
    return single, {key: tolerance(value, [double[key]]) for key, value in single.items()}


def load(cls, path):
    return cls.from_pretrained(path, torch_dtype=torch.float32).eval()


def add_text(store, folder):
    texts = ["a painter looks at the dark water", "", "SEVEN boats?! \u6d77 7", "light " * 90]
    for name in NAMES:
        model = load(CLIPTextModel, folder / name / "text_encoder")
        ids = CLIPTokenizer.from_pretrained(folder / name / "tokenizer")(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids

        def call(m, cast):
            out = m(ids, output_hidden_states=True)
            states = out.hidden_states
            skipped = {f"clip_skip_{k}": m.final_layer_norm(states[-1 - k]) for k in (1, 2)}
            return {"last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output, "embeddings": states[0], "layer_0": states[1]} | skipped

        out, allowed = in_both_precisions(model, call)
        store.add(f"text/{name}", {"texts": texts}, {"input_ids": ids.to(torch.int32)}, out, allowed, checkpoint=name)


def add_unet(store, folder):
    # latent height and width, images, timestep, tokens of context
    cases = ((12, 12, 1, 621, 77), (8, 16, 2, 41, 77), (7, 5, 1, 961.5, 77), (2, 3, 1, 0, 20), (16, 8, 1, 300, 154))
    for name in NAMES:
        model = load(UNet2DConditionModel, folder / name / "unet")
        width = model.config.cross_attention_dim
        for k, (h, w, n, t, tokens) in enumerate(cases):
            x, context = seeded((n, 4, h, w), 1000 + k), seeded((n, tokens, width), 2000 + k)
            out, allowed = in_both_precisions(model, lambda m, cast: {"out": m(cast(x), torch.tensor(t), cast(context)).sample})
            store.add(f"unet/{name}/{h}x{w}_n{n}_t{t}_c{tokens}", {"timestep": t}, {"sample": x, "context": context}, out, allowed, checkpoint=name)
        x, context = seeded((1, 4, 8, 8), 3000), seeded((1, 77, width), 3001)
        out, allowed = in_both_precisions(model, lambda m, cast: outputs_of_blocks(m, cast(x), 250, cast(context)))
        store.add(f"unet/{name}/blocks", {"timestep": 250, "note": "what each stage gives, NCHW, by its path in the checkpoint"},
                  {"sample": x, "context": context}, out, allowed, checkpoint=name)


def add_token_merging(store, folder):
    """The UNet with self-attention over merged tokens, by tomesd, its authors' implementation."""
    import tomesd

    def merged(model, ratio, x, t, context):
        tomesd.apply_patch(model, ratio=ratio, use_rand=False)
        return {"out": model(x, torch.tensor(t), context).sample}

    for name in NAMES:
        model = load(UNet2DConditionModel, folder / name / "unet")
        for k, (ratio, h, w, n) in enumerate(((0.5, 12, 12, 1), (0.3, 8, 16, 2), (0.75, 9, 7, 1))):
            x, context = seeded((n, 4, h, w), 4000 + k), seeded((n, 77, model.config.cross_attention_dim), 5000 + k)
            out, allowed = in_both_precisions(model, lambda m, cast: merged(m, ratio, cast(x), 500, cast(context)))
            store.add(f"token_merging/{name}/{h}x{w}_n{n}_r{ratio}", {"timestep": 500, "ratio": ratio}, {"sample": x, "context": context}, out, allowed, checkpoint=name)


STAGES = ("time_embedding", "conv_in", "down_blocks.0.resnets.0", "down_blocks.0.attentions.0", "down_blocks.0.attentions.0.transformer_blocks.0",
          "down_blocks.0.downsamplers.0", "mid_block.resnets.0", "mid_block.attentions.0", "up_blocks.0.upsamplers.0", "mid_block", "conv_norm_out", "conv_out",
          *(f"{half}_blocks.{i}" for half in ("down", "up") for i in range(4)))


def outputs_of_blocks(unet, x, timestep, context):
    seen = {}

    def keeper(name):
        def keep(module, arguments, output):
            output = getattr(output, "sample", output)
            seen[name] = output[0] if isinstance(output, tuple) else output
        return keep

    hooks = [unet.get_submodule(name).register_forward_hook(keeper(name)) for name in STAGES]
    seen["out"] = unet(x, torch.tensor(timestep), context).sample
    for hook in hooks:
        hook.remove()
    return seen


def add_vae(store, folder):
    for name in NAMES:
        model = load(AutoencoderKL, folder / name / "vae")
        first = name == NAMES[0]
        for k, (h, w, n) in enumerate(((32, 48, 1), (45, 27, 2)) if first else ((32, 32, 1),)):
            image = seeded((n, 3, h, w), 4000 + k).clamp(-2, 2) / 2

            def encode(m, cast):
                with drawing_in_float32():
                    moments = m.encode(cast(image)).latent_dist
                    return {"mean": moments.mean, "logvar": moments.logvar, "sampled": moments.sample(torch.Generator().manual_seed(17))}

            out, allowed = in_both_precisions(model, encode)
            store.add(f"vae/{name}/encode_{h}x{w}", {"sample_seed": 17, "note": "sampled = mean + exp(logvar / 2) * randn; not scaled"},
                      {"image": image}, out, allowed, checkpoint=name)
        for k, (h, w, n) in enumerate(((6, 6, 1), (3, 7, 2), (1, 1, 1)) if first else ((4, 5, 1),)):
            latents = seeded((n, 4, h, w), 5000 + k)
            out, allowed = in_both_precisions(model, lambda m, cast: {"image": m.decode(cast(latents)).sample})
            store.add(f"vae/{name}/decode_{h}x{w}_n{n}", {"note": "latents already divided by the scaling factor; image before clamping"},
                      {"latents": latents}, out, allowed, checkpoint=name)


def add_vae_tiling(store, folder):
    """The autoencoder in squares of 96 x 96 pixels: two rows of three, the last ones narrow."""
    name = NAMES[0]
    model = load(AutoencoderKL, folder / name / "vae")
    model.enable_tiling()
    latents, image = seeded((1, 4, 15, 29), 6000), seeded((1, 3, 120, 232), 6001).clamp(-2, 2) / 2
    out, allowed = in_both_precisions(model, lambda m, cast: {"image": m.decode(cast(latents)).sample})
    store.add(f"vae_tiling/{name}/decode", {}, {"latents": latents}, out, allowed, checkpoint=name)
    out, allowed = in_both_precisions(model, lambda m, cast: {"moments": m.encode(cast(image)).latent_dist.parameters})
    store.add(f"vae_tiling/{name}/encode", {}, {"image": image}, out, allowed, checkpoint=name)
