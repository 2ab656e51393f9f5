#!/usr/bin/env python3
"""Makes tests/data again: five small random-weight checkpoints and the reference results ("goldens") that the tests compare with.

Usage: tools/make_test_data.py [OUT] [--only GROUP]       (default: tests/data, everything; or a group, made anew beside the others)
Needs: torch, diffusers, transformers, peft, tomesd, safetensors, scipy, torchsde, gguf, piexif and Pillow. The tests need none of them: what this writes is committed.

The same versions on the same kind of machine write the same bytes; others move results by roundings, within the tolerances that the
manifest carries. docs/testing.md describes the format.
"""
import argparse
import pathlib
import shutil
import warnings

import diffusers
import torch
import transformers
from test_data import adapters, checkpoints, gguf_files, images, ip_adapters, more_tasks, networks, pipelines, prompt_syntaxes, safety, schedulers, single_files, torch_files, xl, xl_adapters
from test_data.store import Store

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=ROOT / "tests" / "data")
    parser.add_argument("--only", choices=["adapters", "ip_adapters", "prompts", "safety", "schedulers", "tasks", "told", "token_merging", "xl", "xl_adapters"])
    arguments = parser.parse_args()
    out = arguments.out
    warnings.filterwarnings("ignore")
    diffusers.logging.set_verbosity_error()
    diffusers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)

    models, golden, pictures = out / "checkpoints", out / "golden", out / "pictures"
    if arguments.only:
        store = Store(golden)
        if arguments.only == "adapters":
            adapters.add(store, models, out / "adapters")
        elif arguments.only == "ip_adapters":
            ip_adapters.add(store, models, out / "ip_adapters")
        elif arguments.only == "schedulers":
            schedulers.add_schedulers(store)
        elif arguments.only == "told":
            more_tasks.add_told(store, models, out / "told_unet")
        elif arguments.only == "token_merging":
            networks.add_token_merging(store, models)
        elif arguments.only == "safety":
            safety.add_safety(store, out / "safety_checker")
        elif arguments.only == "xl":
            add_xl(store, models, out)
        elif arguments.only == "xl_adapters":
            xl_adapters.add(store, models, out / "adapters", out / "embeddings")
        elif arguments.only == "tasks":
            add_tasks(store, models, out)
        else:
            prompt_syntaxes.add_prompts(store, models)
            prompt_syntaxes.add_embeddings(store, models, out / "embeddings")
            networks.add_variations(store)
        store.write(keep_others=True)
        return
    for folder in [models / name for name in checkpoints.ALL] + [golden, pictures]:
        shutil.rmtree(folder, ignore_errors=True)
    checkpoints.make(models)
    single_files.make(models, out / "single_files")
    torch_files.make(out / "torch")
    gguf_files.make(out / "gguf")
    store = Store(golden)
    images.add_files(store, pictures)
    images.make_infotexts(out / "infotexts")
    images.add_processing(store)
    networks.add_tokenizer(store, models)
    networks.add_noise(store)
    networks.add_variations(store)
    networks.add_text(store, models)
    networks.add_unet(store, models)
    networks.add_token_merging(store, models)
    networks.add_vae(store, models)
    networks.add_vae_tiling(store, models)
    schedulers.add_schedulers(store)
    pipelines.add_text_to_image(store, models)
    pipelines.add_image_to_image(store, models)
    pipelines.add_inpaint(store, models)
    prompt_syntaxes.add_prompts(store, models)
    prompt_syntaxes.add_embeddings(store, models, out / "embeddings")
    adapters.add(store, models, out / "adapters")
    add_tasks(store, models, out)
    safety.add_safety(store, out / "safety_checker")
    add_xl(store, models, out)
    ip_adapters.add(store, models, out / "ip_adapters")
    xl_adapters.add(store, models, out / "adapters", out / "embeddings")
    store.write()
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {len(store.rows)} cases, {size / 1e6:.1f} MB")


def add_xl(store, models, out):
    for name in xl.NAMES:
        shutil.rmtree(models / name, ignore_errors=True)
    xl.make(models)
    single_files.make_xl(models, out / "single_files")
    xl.add_networks(store, models)
    xl.add(store, models)


def add_tasks(store, models, out):
    more_tasks.add_hires(store, models)
    more_tasks.add_guess_mode(store, models, out / "adapters")
    more_tasks.make_controlnet_names(out / "adapters", out / "single_files")
    more_tasks.add_tiny_vae(store, out / "tiny_vae")
    more_tasks.add_edit(store, models, out / "edit_unet")
    more_tasks.add_told(store, models, out / "told_unet")
    more_tasks.add_control_inpaint(store, models, out / "adapters")


if __name__ == "__main__":
    main()
