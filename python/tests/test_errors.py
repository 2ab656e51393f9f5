"""Mistakes raise what diffusers raises, with a message that says what to do, and leave the pipeline usable."""

import json
import shutil

import numpy as np
import pytest

import impasto

PICTURE = np.full((32, 32, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(), ValueError, "prompt"),
        (dict(prompt=3), ValueError, "`str` or `list`"),
        (dict(prompt=[]), ValueError, "empty"),
        (dict(prompt="a", prompt_embeds=np.zeros((1, 77, 4))), ValueError, "both"),
        (dict(prompt="a", negative_prompt=["b"]), TypeError, "same type"),
        (dict(prompt=["a", "b"], negative_prompt=["c"]), ValueError, "batch size"),
        (dict(prompt="a", height=33), ValueError, "divisible by 8"),
        (dict(prompt="a", height=32 * 8000, width=32), ValueError, "height"),
        (dict(prompt="a", num_inference_steps=0), ValueError, "num_inference_steps"),
        (dict(prompt="a", num_inference_steps="3"), TypeError, "int"),
        (dict(prompt="a", generator=[1, 2]), ValueError, "list of generators"),
        (dict(prompt="a", generator="seed"), TypeError, "generator"),
        (dict(prompt="a", latents=np.zeros((1, 4, 9, 9))), ValueError, "latents"),
        (dict(prompt="a", timesteps=[999, 1]), ValueError, "custom timestep"),
        (dict(prompt="a", timesteps=[1], sigmas=[1.0]), ValueError, "Only one"),
        (dict(prompt="a", callback_on_step_end_tensor_inputs=["noise"]), ValueError, "noise"),
        (dict(prompt="a", ip_adapter_image=PICTURE), ValueError, "load_ip_adapter"),
        (dict(prompt="a", ip_adapter_image_embeds=[np.zeros((2, 1, 24))]), ValueError, "load_ip_adapter"),
        (dict(prompt="a", clip_skip=99), ValueError, "clip_skip"),
        (dict(prompt="a", cross_attention_kwargs={"gligen": {}}), NotImplementedError, "gligen"),
        (dict(prompt="a", cross_attention_kwargs=3), TypeError, "dictionary"),
        (dict(prompt="a", num_images_per_prompt=0), ValueError, "num_images_per_prompt"),
        (dict(prompt_embeds=np.zeros((1, 77, 5))), ValueError, r"prompt_embeds.*\(n, tokens, 32\)"),
        (dict(prompt="a", prompt_embeds=None, negative_prompt_embeds=np.zeros((1, 5, 2))), ValueError, "negative_prompt_embeds"),
    ],
)
def test_bad_arguments(pipe, arguments, error, words):
    with pytest.raises(error, match=words):
        pipe(**{"num_inference_steps": 1, "height": 16, "width": 16, **arguments})
    assert pipe("a boat", num_inference_steps=1, height=16, width=16).images


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(image=None), "incorrect format"),
        (dict(image="boat.png"), "incorrect format"),
        (dict(image=PICTURE, strength=1.5), "strength"),
        (dict(image=PICTURE, strength=0.1, num_inference_steps=2), "strength"),
        (dict(image=[PICTURE] * 3), "batch"),
        (dict(image=PICTURE[..., :1]), "1 channels, expected 3"),
    ],
)
def test_bad_pictures(pipe, arguments, words):
    draw = impasto.StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    with pytest.raises(ValueError, match=words):
        draw("a", **arguments)


def test_unknown_arguments_are_said_as_they_are_left_unused(pipe, caplog):
    assert pipe("a", num_inference_steps=1, height=16, width=16, no_such_option=1, cross_attention_kwargs={"nor_this": 2}).images
    assert "no_such_option=" in caplog.text and "nor_this" in caplog.text


def test_inpainting_needs_picture_and_mask(pipe):
    fill = impasto.StableDiffusionInpaintPipeline.from_pipe(pipe)
    with pytest.raises(ValueError, match="mask_image"):
        fill("a", image=PICTURE)
    with pytest.raises(ValueError, match="image"):
        fill("a", mask_image=PICTURE)


def test_missing_checkpoint_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="no such|nowhere"):
        impasto.StableDiffusionPipeline.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(OSError, match="model_index"):
        impasto.StableDiffusionPipeline.from_pretrained(tmp_path)


def test_damaged_checkpoint_names_the_file(tiny, tmp_path):
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / "unet" / "config.json").write_text("{")
    with pytest.raises(OSError, match="unet/config.json"):
        impasto.StableDiffusionPipeline.from_pretrained(broken)


def test_other_architectures_are_not_implemented(tiny, tmp_path):
    other = shutil.copytree(tiny, tmp_path / "other")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps({**index, "_class_name": "FluxPipeline"}))
    with pytest.raises(NotImplementedError, match="FluxPipeline"):
        impasto.DiffusionPipeline.from_pretrained(other)


def test_unknown_device_and_variant(tiny, pipe):
    with pytest.raises(RuntimeError, match="toaster"):
        pipe.to("toaster")
    with pytest.raises(OSError, match="fp16"):
        impasto.StableDiffusionPipeline.from_pretrained(tiny, variant="fp16")
    with pytest.raises(ValueError, match="int8"):
        impasto.StableDiffusionPipeline.from_pretrained(tiny, torch_dtype="int8")


def test_shapes_that_do_not_fit_the_unet(pipe):
    context = np.zeros((1, 77, pipe.unet.config.cross_attention_dim), np.float32)
    with pytest.raises(ValueError, match="sample has shape"):
        pipe.unet(np.zeros((1, 5, 4, 4), np.float32), 1, context)
    with pytest.raises(ValueError, match="encoder_hidden_states"):
        pipe.unet(np.zeros((2, 4, 4, 4), np.float32), 1, context)
    with pytest.raises(NotImplementedError, match="timestep_cond"):
        pipe.unet(np.zeros((1, 4, 4, 4), np.float32), 1, context, timestep_cond=context)
    with pytest.raises(NotImplementedError, match="ip_adapter_masks"):
        pipe.unet(np.zeros((1, 4, 4, 4), np.float32), 1, context, cross_attention_kwargs={"ip_adapter_masks": [context]})


@pytest.mark.parametrize(
    "given, words",
    [
        (dict(timesteps=[]), "at least one"),
        (dict(timesteps=[1, 999]), "go down"),
        (dict(timesteps=[1000, 1]), "timesteps.0. is 1000"),
        (dict(timesteps=[float("nan")]), "nan"),
        (dict(timesteps=[-1]), "-1"),
        (dict(sigmas=[1.0]), "has to follow"),
        (dict(sigmas=[1.0, 2.0]), "go down"),
        (dict(sigmas=[float("inf"), 1.0]), "inf"),
        (dict(timesteps=[1], num_inference_steps=3), "only pass one"),
    ],
    ids=str,
)
def test_paths_of_ones_own_that_lead_nowhere(given, words):
    with pytest.raises(ValueError, match=words):
        impasto.EulerDiscreteScheduler().set_timesteps(**given)
    with pytest.raises(ValueError, match="karras"):
        impasto.EulerDiscreteScheduler(use_karras_sigmas=True).set_timesteps(timesteps=[900, 1])
    with pytest.raises(ValueError, match="custom sigmas"):
        impasto.DPMSolverMultistepScheduler().set_timesteps(sigmas=[1.0, 0.0])
    for name in ("DDPMScheduler", "HeunDiscreteScheduler", "DPMSolverSinglestepScheduler", "LCMScheduler", "TCDScheduler"):
        for timesteps in ([], [1, 999], [1000], [-1], [float("nan")]):
            with pytest.raises(ValueError, match="timesteps"):
                getattr(impasto, name)().set_timesteps(timesteps=timesteps)
    with pytest.raises(TypeError, match="original_inference_steps"):
        impasto.DDIMScheduler().set_timesteps(5, original_inference_steps=50)
    with pytest.raises(TypeError, match="steps"):
        impasto.DDIMScheduler().set_timesteps(5, steps=50)
    for strength in (0.0, 0.09, -1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="strength"):
            impasto.LCMScheduler().set_timesteps(5, strength=strength)


def test_bad_scheduler_settings():
    with pytest.raises((ValueError, OSError, NotImplementedError), match="beta_schedule"):
        impasto.DDIMScheduler(beta_schedule="steep")
    scheduler = impasto.DDIMScheduler()
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="timestep"):
        scheduler.step(np.zeros((1, 4)), 12345, np.zeros((1, 4)))


def test_what_is_not_there_says_so(pipe):
    for name, arguments in (("enable_freeu", [0.9, 0.2, 1.2, 1.4]),):
        with pytest.raises(NotImplementedError, match=f"{name}.*diffusers' own pipeline"):
            getattr(pipe, name)(*arguments)
    with pytest.raises(NotImplementedError, match="enable_freeu.*diffusers' own"):
        pipe.unet.enable_freeu(0.9, 0.2, 1.2, 1.4)
