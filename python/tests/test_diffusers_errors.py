"""Calls and checkpoints that diffusers refuses: Impasto raises what it raises."""

import shutil

import numpy as np
import pytest
from beside_diffusers import TASKS, TINY, diffusers, picture, torch

import impasto

pytestmark = pytest.mark.diffusers


@pytest.mark.parametrize("arguments", [dict(), dict(height=30), dict(prompt="a", negative_prompt=["b"]), dict(prompt=["a", "b"], negative_prompt=["b"]), dict(prompt="a", generator=[torch.Generator()] * 2), dict(prompt="a", callback_on_step_end_tensor_inputs=["x"]), dict(prompt=5)], ids=str)
def test_mistakes_raise_what_diffusers_raises(pair, arguments):
    raised = []
    for pipe in pair:
        with pytest.raises(Exception) as caught:
            pipe(**{"num_inference_steps": 1, **arguments})
        raised.append(caught.type)
    assert raised[0] is raised[1]


SQUARE = picture(64, 64)
# Calls that diffusers refuses in so many words. Where torch trips over something by accident (RuntimeError, IndexError) Impasto raises ValueError.
REFUSED = {
    "StableDiffusionImg2ImgPipeline": [
        dict(prompt="a"), dict(prompt="a", image="x"), dict(prompt="a", image=3), dict(prompt="a", image=SQUARE, strength=1.5), dict(prompt="a", image=SQUARE, strength=-0.1),
        dict(prompt="a", image=[SQUARE, torch.zeros(3, 64, 64)]), dict(image=SQUARE), dict(prompt="a", image=SQUARE, generator=[torch.Generator()] * 2), dict(prompt="a", image=SQUARE.resize((4, 4))),
    ],
    "StableDiffusionInpaintPipeline": [
        dict(prompt="a", image=SQUARE), dict(prompt="a", mask_image=SQUARE), dict(prompt="a", image=SQUARE, mask_image=SQUARE, strength=2.0), dict(prompt="a", image=SQUARE, mask_image=SQUARE, strength=0.0),
        dict(prompt="a", image=SQUARE, mask_image=SQUARE, height=30), dict(prompt="a", image=SQUARE, mask_image="x"), dict(prompt="a", image="x", mask_image=SQUARE),
        dict(prompt="a", image=SQUARE, mask_image=SQUARE, padding_mask_crop=8, output_type="np"), dict(prompt="a", image=np.zeros((64, 64, 3), np.float32), mask_image=SQUARE, padding_mask_crop=8),
    ],
    "StableDiffusionPipeline": [
        dict(prompt=("a",)), dict(prompt=b"a"), dict(prompt=["a", 3]), dict(prompt="a", prompt_embeds=torch.zeros(1, 77, 32)), dict(prompt="a", negative_prompt="b", negative_prompt_embeds=torch.zeros(1, 77, 32)),
        dict(prompt="a", negative_prompt=3), dict(prompt_embeds=torch.zeros(1, 77, 32), negative_prompt_embeds=torch.zeros(1, 5, 32)), dict(prompt="a", timesteps=[1], sigmas=[1.0]),
        dict(prompt="a", guidance_scale="x"), dict(prompt="a", guidance_scale=None), dict(prompt="a", callback_on_step_end=3), dict(prompt="a", callback_steps=0), dict(prompt="a", callback_steps="x"),
        dict(prompt="a", num_images_per_prompt=1.5, generator=torch.Generator()), dict(prompt="a", guidance_rescale="x"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name, arguments", [(name, a) for name, calls in REFUSED.items() for a in calls], ids=lambda a: str(a)[:60].replace("\n", ""))
def test_refused_calls_raise_what_diffusers_raises(pair, name, arguments):
    raised = []
    for pipe, library in zip(pair, (impasto, diffusers)):
        task = pipe if name == TASKS[0] else getattr(library, name)(**pipe.components, requires_safety_checker=False)
        task.set_progress_bar_config(disable=True)
        with pytest.raises(Exception) as caught:
            task(**{"num_inference_steps": 2, **({"height": 16, "width": 16} if name == TASKS[0] else {}), **arguments})
        raised.append(caught.type)
    assert issubclass(raised[0], raised[1]), raised


def broken(folder, change):
    copy = folder / "model"
    shutil.copytree(TINY, copy)
    change(copy)
    return copy


@pytest.mark.parametrize(
    "change",
    [
        lambda m: (m / "model_index.json").unlink(),
        lambda m: (m / "model_index.json").write_text("{"),
        lambda m: (m / "unet" / "config.json").write_text("{"),
        lambda m: shutil.rmtree(m / "unet"),
        lambda m: (m / "unet" / "diffusion_pytorch_model.safetensors").unlink(),
        lambda m: shutil.rmtree(m / "scheduler"),
        lambda m: shutil.rmtree(m),
    ],
    ids=["no index", "broken index", "broken config", "no unet", "no weights", "no scheduler", "nothing"],
)
def test_damaged_checkpoints_raise_what_diffusers_raises(change, tmp_path):
    folder = broken(tmp_path, change)
    raised = []
    for library in (impasto, diffusers):
        with pytest.raises(Exception) as caught:
            library.StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
        raised.append(caught.type)
    assert issubclass(raised[0], raised[1]), raised


@pytest.mark.parametrize(
    "mistake",
    [
        lambda library, pipe: pipe.to("cuda"),
        lambda library, pipe: pipe.to("x"),
        lambda library, pipe: library.StableDiffusionPipeline.from_pretrained(TINY, variant="fp16"),
        lambda library, pipe: library.StableDiffusionPipeline.from_pretrained(TINY, unet="x"),
        lambda library, pipe: library.StableDiffusionPipeline.from_single_file("/nowhere/none.safetensors"),
        lambda library, pipe: library.AutoPipelineForText2Image(),
        lambda library, pipe: library.DDIMScheduler.from_config(None),
        lambda library, pipe: library.DDIMScheduler(beta_schedule="x"),
        lambda library, pipe: library.DDIMScheduler(x=1),
        lambda library, pipe: library.DDIMScheduler().set_timesteps(2000),
        lambda library, pipe: library.DDIMScheduler().step(torch.zeros(1, 4), 1, torch.zeros(1, 4)),
        lambda library, pipe: pipe.unet(torch.zeros(1, 4, 8, 8), 1),
        lambda library, pipe: pipe.unet.config.nonsense,
        lambda library, pipe: pipe.nonsense,
        lambda library, pipe: pipe.tokenizer(3),
        lambda library, pipe: library.UNet2DConditionModel.from_pretrained(TINY, subfolder="none"),
    ],
)
def test_other_mistakes_raise_what_diffusers_raises(pair, mistake):
    raised = []
    for pipe, library in zip(pair, (impasto, diffusers)):
        with pytest.raises(Exception) as caught:
            mistake(library, pipe)
        raised.append(caught.type)
    assert issubclass(raised[0], raised[1]), raised
