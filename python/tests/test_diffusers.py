"""Beside torch and diffusers themselves: same signatures, same pictures."""

import inspect

import numpy as np
import pytest
from beside_diffusers import CLOSE, CONTROLLED, NET, QUICK, TASKS, TINY, both, diffusers, parameters, picture, torch
from PIL import Image

import impasto

pytestmark = pytest.mark.diffusers
SCHEDULERS = sorted(impasto.scheduler_defaults.DEFAULTS)


@pytest.mark.parametrize("name", TASKS)
def test_call_has_diffusers_arguments_in_their_order_with_their_defaults(name):
    ours, theirs = parameters(getattr(impasto, name).__call__), parameters(getattr(diffusers, name).__call__)
    assert list(ours) == list(theirs)
    assert {k: v for k, v in ours.items() if v != theirs[k]} == {}


@pytest.mark.parametrize("name", TASKS)
def test_constructor_has_diffusers_parts(name):
    ours, theirs = parameters(getattr(impasto, name).__init__), parameters(getattr(diffusers, name).__init__)
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_has_diffusers_settings_with_their_defaults(name):
    assert parameters(getattr(impasto, name).__init__) == parameters(getattr(diffusers, name).__init__)


@pytest.mark.parametrize("method", ["encode_prompt", "set_progress_bar_config", "save_pretrained", "from_pretrained", "from_pipe", "to", "progress_bar", "register_modules", "enable_attention_slicing", "enable_vae_tiling", "enable_model_cpu_offload", "load_lora_weights", "from_single_file"])
def test_methods_are_there(method):
    for name in TASKS:
        assert callable(getattr(getattr(impasto, name), method))


def test_encode_prompt_has_diffusers_arguments():
    ours, theirs = (parameters(library.StableDiffusionPipeline.encode_prompt) for library in (impasto, diffusers))
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_config_and_timesteps_equal_diffusers(name):
    source = diffusers.PNDMScheduler.from_pretrained(TINY, subfolder="scheduler")
    theirs = getattr(diffusers, name).from_config(source.config)
    ours = getattr(impasto, name).from_config(source.config)
    for key, value in theirs.config.items():
        if not key.startswith("_"):
            assert ours.config[key] == value, key
    theirs.set_timesteps(7)
    ours.set_timesteps(7)
    assert ours.timesteps.dtype == theirs.timesteps.dtype
    torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-5, atol=1e-3)
    assert float(ours.init_noise_sigma) == pytest.approx(float(theirs.init_noise_sigma), rel=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(prompt="a boat at sunset"),
        dict(prompt=["a boat", "a tree"], negative_prompt=["grey", "blue"], num_images_per_prompt=2),
        dict(prompt=["a boat", "a tree"], generators=[3, 4]),
        dict(prompt="a boat", guidance_scale=1.0),
        dict(prompt="a boat", guidance_rescale=0.7, clip_skip=1),
        dict(prompt="a boat", eta=0.6, height=72),
        dict(prompt="a boat", output_type="latent"),
    ],
    ids=lambda a: ",".join(a),
)
def test_same_picture_for_the_same_generator(pair, arguments):
    for pipe, library in zip(pair, (impasto, diffusers)):
        pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
    ours, theirs = both(pair, **arguments)
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_advanced_generator_state_and_noise_within_steps_carry_over(pair):
    drawn = []
    for pipe, library in zip(pair, (impasto, diffusers)):
        pipe.scheduler = library.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
        generator = torch.Generator().manual_seed(1)
        torch.randn(123, generator=generator)
        pipe("a boat", **QUICK, generator=generator)
        drawn.append((pipe("a tree", **QUICK, generator=generator).images, generator.get_state()))
    np.testing.assert_allclose(drawn[0][0], drawn[1][0], **CLOSE)
    assert torch.equal(drawn[0][1], drawn[1][1])


def test_callbacks_get_and_give_torch_tensors(pair):
    def halve(pipe, step, timestep, tensors):
        assert torch.is_tensor(timestep) and torch.is_tensor(tensors["latents"]) and torch.is_tensor(tensors["prompt_embeds"])
        return {"latents": tensors["latents"] / 2, "prompt_embeds": tensors["prompt_embeds"] * 0.9}

    ours, theirs = both(pair, "a boat", callback_on_step_end=halve, callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"])
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_official_callback_ends_guidance(pair):
    from diffusers.callbacks import SDCFGCutoffCallback

    ours, theirs = both(pair, "a boat", callback_on_step_end=SDCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=1))
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_prompt_embeds_of_diffusers_are_taken(pair):
    embeds = pair[1].encode_prompt("a boat", "cpu", 1, True, "grey")
    mine = pair[0].encode_prompt("a boat", "cpu", 1, True, "grey")
    for a, b in zip(embeds, mine):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    ours, theirs = both(pair, prompt_embeds=embeds[0], negative_prompt_embeds=embeds[1])
    np.testing.assert_allclose(ours, theirs, **CLOSE)


@pytest.mark.parametrize("image", [picture(70, 90), [picture(64, 64), picture(64, 64, 1)], np.random.default_rng(1).random((1, 64, 72, 3), np.float32), torch.rand(1, 3, 67, 64, generator=torch.Generator().manual_seed(1))], ids=["pil", "list", "np", "pt"])
def test_image_to_image_equals_diffusers(pair, image):
    made = [library.StableDiffusionImg2ImgPipeline(**pipe.components, **({} if pipe is pair[0] else {"requires_safety_checker": False})) for pipe, library in zip(pair, (impasto, diffusers))]
    prompt = ["a boat"] * (len(image) if isinstance(image, list) else 1)
    drawn = []
    for pipe in made:
        pipe.set_progress_bar_config(disable=True)
        drawn.append(pipe(prompt, image=image, strength=0.6, num_inference_steps=5, generator=torch.Generator().manual_seed(2), output_type="np").images)
    np.testing.assert_allclose(*drawn, **CLOSE)


@pytest.mark.parametrize("strength, crop", [(1.0, None), (0.6, None), (1.0, 8)])
def test_inpainting_equals_diffusers(pair, strength, crop):
    mask = Image.new("L", (96, 80))
    mask.paste(255, (20, 24, 60, 48))
    drawn = []
    for pipe, library in zip(pair, (impasto, diffusers)):
        fill = library.StableDiffusionInpaintPipeline(**pipe.components, **({} if pipe is pair[0] else {"requires_safety_checker": False}))
        fill.set_progress_bar_config(disable=True)
        drawn.append(fill("a boat", image=picture(80, 96), mask_image=mask, strength=strength, padding_mask_crop=crop, height=64, width=64, num_inference_steps=4, generator=torch.Generator().manual_seed(2), output_type="pil").images[0])
    a, b = (np.asarray(image).astype(int) for image in drawn)
    assert (np.abs(a - b) <= 1).mean() > 0.999


def test_diffusers_scheduler_is_taken(pair):
    config = pair[1].scheduler.config
    pair[0].scheduler = diffusers.DPMSolverMultistepScheduler.from_config(config, use_karras_sigmas=True)
    pair[1].scheduler = diffusers.DPMSolverMultistepScheduler.from_config(config, use_karras_sigmas=True)
    assert type(pair[0].scheduler) is impasto.DPMSolverMultistepScheduler
    np.testing.assert_allclose(*both(pair, "a boat"), **CLOSE)


@pytest.mark.parametrize(
    "name, own",
    [
        ("EulerDiscreteScheduler", dict(timesteps=[999, 850, 736.5, 545, 100, 24])),
        ("EulerDiscreteScheduler", dict(sigmas=[14.6, 6.4, 3.8, 1.0, 0.2, 0.0])),
        ("EulerDiscreteScheduler", dict(sigmas=[14.6, 3.8, 0.5])),
        ("DPMSolverMultistepScheduler", dict(timesteps=[999, 850, 736, 645, 545, 455, 343, 233, 124, 24])),
        ("DPMSolverSinglestepScheduler", dict(timesteps=[999, 736, 455, 233, 24])),
        ("DDPMScheduler", dict(timesteps=[999, 850, 545, 100, 24])),
        ("HeunDiscreteScheduler", dict(timesteps=[999, 736.5, 455, 24])),
        ("LCMScheduler", dict(timesteps=[999, 759, 400, 19])),
        ("TCDScheduler", dict(timesteps=[999, 759, 400, 19], eta=0.3)),
    ],
)
def test_timesteps_and_sigmas_of_ones_own(pair, name, own):
    for pipe, library in zip(pair, (impasto, diffusers)):
        pipe.scheduler = getattr(library, name).from_config(pipe.scheduler.config, use_karras_sigmas=False)
    np.testing.assert_allclose(*both(pair, "a boat", **own), **CLOSE)


def test_schedulers_take_paths_of_ones_own_where_diffusers_do():
    ours = {name: getattr(impasto, name) for name in impasto.schedulers.DEFAULTS}
    for name, cls in ours.items():
        for path in (dict(timesteps=[900, 500, 40]), dict(sigmas=[10.0, 1.0, 0.0])):
            theirs = getattr(diffusers, name)()
            taken = next(iter(path)) in inspect.signature(theirs.set_timesteps).parameters and name not in ("UniPCMultistepScheduler", "EDMEulerScheduler")  # the latter fails on a list
            if not taken:
                with pytest.raises(ValueError, match="custom"):
                    cls().set_timesteps(**path)
                continue
            scheduler = cls()
            scheduler.set_timesteps(**path)
            theirs.set_timesteps(**path)
            np.testing.assert_allclose(np.asarray(scheduler.timesteps), np.asarray(theirs.timesteps), rtol=1e-5, err_msg=name)


def test_distilled_models_may_have_had_other_steps():
    for name in ("LCMScheduler", "TCDScheduler"):
        ours, theirs = (getattr(library, name)() for library in (impasto, diffusers))
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(7, original_inference_steps=30)
        assert list(ours.timesteps) == list(theirs.timesteps)
        for scheduler in (ours, theirs):
            with pytest.raises(ValueError):
                scheduler.set_timesteps(31, original_inference_steps=30)


# What diffusers has for its own workings, for torch's, or for publishing: nobody's drawing calls it.
INNER = {
    "check_image", "check_inputs", "config_name", "decode_latents", "encode_image", "extract_init_dict", "from_config", "get_config_dict", "get_guidance_scale_embedding", "has_compatibles",
    "ignore_for_config", "load_config", "load_lora_into_text_encoder", "load_lora_into_unet", "lora_scale", "lora_state_dict", "model_cpu_offload_seq", "pack_weights", "parameters",
    "prepare_extra_step_kwargs", "prepare_image", "prepare_control_image", "prepare_ip_adapter_image_embeds", "prepare_latents", "prepare_mask_latents", "get_timesteps", "push_to_hub",
    "register_for_auto_class", "register_to_config", "run_safety_checker", "save_config", "save_lora_weights", "text_encoder_name", "to_json_file", "to_json_string", "unet_name", "write_lora_layers",
}  # fmt: skip


@pytest.mark.parametrize("name", [*TASKS, *CONTROLLED])
def test_every_method_of_diffusers_is_there(name):
    theirs = {method for method in dir(getattr(diffusers, name)) if not method.startswith("_")}
    assert theirs - set(dir(getattr(impasto, name))) - INNER == set()


@pytest.mark.parametrize("name", [*TASKS, *CONTROLLED])
def test_made_of_parts_has_diffusers_scheduler_settings(pair, name):
    settings = dict(steps_offset=0, beta_schedule="scaled_linear")
    for scheduler, more in [("DDIMScheduler", dict(clip_sample=True)), ("PNDMScheduler", dict(skip_prk_steps=False)), ("EulerDiscreteScheduler", {})]:
        made = []
        for pipe, library in zip(pair, (impasto, diffusers)):
            parts = {**pipe.components, "scheduler": getattr(library, scheduler)(**settings, **more)}
            if name in CONTROLLED:
                parts["controlnet"] = library.ControlNetModel.from_pretrained(NET)
            made.append(getattr(library, name)(**parts, requires_safety_checker=False).scheduler.config)
        for key, value in made[1].items():
            assert key.startswith("_") or made[0][key] == value, (scheduler, key)
