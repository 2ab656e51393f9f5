"""Stable Diffusion XL beside diffusers: same signatures, same pictures, same refusals."""

import numpy as np
import pytest
from beside_diffusers import CLOSE, both, diffusers, parameters, picture, torch
from golden import DATA
from PIL import Image
from test_diffusers import INNER

import impasto

pytestmark = pytest.mark.diffusers
BASE, REFINER = (str(DATA / "checkpoints" / name) for name in ("tiny-sdxl", "tiny-sdxl-refiner"))
TASKS = ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"]
CONTROLLED = [name.replace("XL", "XLControlNet") for name in TASKS]
LIBRARIES = (impasto, diffusers)


def opened(name, folder, **kwargs):
    made = [getattr(library, name).from_pretrained(folder, torch_dtype=torch.float32, add_watermarker=False, **kwargs) for library in LIBRARIES]
    for pipe in made:
        pipe.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def xl():
    return opened(TASKS[0], BASE)


@pytest.fixture(scope="module")
def refiners():
    return opened(TASKS[1], REFINER)


def same_kind(pair, name):
    """Both for another task."""
    made = [getattr(library, name).from_pipe(pipe) for pipe, library in zip(pair, LIBRARIES)]
    for pipe in made:
        pipe.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("name", TASKS + CONTROLLED)
def test_has_diffusers_arguments_parts_and_methods(name):
    for method in ("__call__", "__init__", "encode_prompt"):
        ours, theirs = (parameters(getattr(getattr(library, name), method)) for library in LIBRARIES)
        assert list(ours) == list(theirs)
        assert method != "__call__" or {k: v for k, v in ours.items() if v != theirs[k]} == {}
    theirs = {method for method in dir(getattr(diffusers, name)) if not method.startswith("_")}
    assert theirs - set(dir(getattr(impasto, name))) - INNER - {"upcast_vae"} == set()
    assert set(getattr(impasto, name)._callback_tensor_inputs) == set(getattr(diffusers, name)._callback_tensor_inputs)


def test_config_is_diffusers(xl):
    ours, theirs = (dict(pipe.config) for pipe in xl)
    assert {key for key in ours if not key.startswith("_")} - set(theirs) == set()
    for key in ("force_zeros_for_empty_prompt", "text_encoder_2", "tokenizer_2", "unet"):
        assert ours[key] == theirs[key] or ours[key] == tuple(theirs[key]), key


@pytest.mark.parametrize(
    "arguments",
    [
        dict(prompt="a boat at sunset"),
        dict(prompt=["a boat", "a tree"], prompt_2=["in ink", "in oil"], negative_prompt=["grey", "blue"], negative_prompt_2=["x", "y"], num_images_per_prompt=2),
        dict(prompt=["a boat", "a tree"], generators=[3, 4]),
        dict(prompt="a boat", negative_prompt="", guidance_rescale=0.7, clip_skip=1),
        dict(prompt="a boat", guidance_scale=1.0, height=72),
        dict(prompt="a boat", original_size=(512, 768), crops_coords_top_left=(8, 24), target_size=(80, 96)),
        dict(prompt="a boat", negative_original_size=(512, 768), negative_crops_coords_top_left=(8, 24), negative_target_size=(80, 96)),
        dict(prompt="a boat", negative_original_size=(512, 768)),
        dict(prompt="a boat", denoising_end=0.7, num_inference_steps=6, output_type="latent"),
        dict(prompt="a boat", timesteps=[999, 700, 300, 20]),
    ],
    ids=lambda a: ",".join(a),
)
def test_same_picture_for_the_same_generator(xl, arguments):
    np.testing.assert_allclose(*both(xl, **arguments), **CLOSE)


def test_embeddings_are_diffusers_and_are_taken(xl):
    embeds = [pipe.encode_prompt("a boat", "in ink", "cpu", 2, True, "grey", clip_skip=1) for pipe in xl]
    for ours, theirs in zip(*embeds):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    np.testing.assert_allclose(*both(xl, **dict(zip(names, embeds[1]))), **CLOSE)


def test_callbacks_change_what_the_unet_is_told(xl):
    def change(pipe, step, timestep, tensors):
        return {"add_time_ids": tensors["add_time_ids"] + 64, "add_text_embeds": tensors["add_text_embeds"] / 2, "prompt_embeds": tensors["prompt_embeds"] * 0.9}

    inputs = ["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"]
    np.testing.assert_allclose(*both(xl, "a boat", callback_on_step_end=change, callback_on_step_end_tensor_inputs=inputs), **CLOSE)


def test_official_callback_ends_guidance(xl):
    from diffusers.callbacks import SDXLCFGCutoffCallback

    np.testing.assert_allclose(*both(xl, "a boat", callback_on_step_end=SDXLCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=1)), **CLOSE)


@pytest.mark.parametrize(
    "arguments",
    [dict(), dict(strength=0.6, num_images_per_prompt=2), dict(strength=0.6, generators=[1]), dict(strength=0.6, negative_original_size=(64, 32), negative_crops_coords_top_left=(3, 4)), dict(denoising_start=0.5, denoising_end=0.9), dict(aesthetic_score=8.0, strength=0.5)],
    ids=lambda a: ",".join(a) or "defaults",
)
@pytest.mark.parametrize("model", ["base", "refiner"])
def test_image_to_image_equals_diffusers(xl, refiners, model, arguments):
    pair = refiners if model == "refiner" else same_kind(xl, TASKS[1])
    drawn = []
    for pipe in pair:
        call = dict(negative_prompt="grey", image=picture(64, 72), num_inference_steps=8, output_type="np", generator=generators(arguments))
        drawn.append(np.asarray(pipe("a boat", "in ink", **call, **without(arguments)).images))
    np.testing.assert_allclose(*drawn, **CLOSE)


def generators(arguments):
    made = [torch.Generator().manual_seed(seed) for seed in arguments.get("generators", [2])]
    return made if "generators" in arguments else made[0]


def without(arguments):
    return {k: v for k, v in arguments.items() if k != "generators"}


def test_base_and_refiner_draw_one_picture(xl, refiners):
    drawn = []
    for base, refiner in zip(xl, refiners):
        generator = torch.Generator().manual_seed(3)
        latents = base("a boat", height=64, width=64, num_inference_steps=7, denoising_end=0.6, output_type="latent", generator=generator).images
        drawn.append(refiner("a boat", image=latents, num_inference_steps=7, denoising_start=0.6, output_type="np", generator=generator).images)
    np.testing.assert_allclose(*drawn, **CLOSE)


@pytest.mark.parametrize("arguments", [dict(), dict(strength=1.0), dict(strength=0.6, padding_mask_crop=8), dict(strength=0.6, denoising_end=0.7), dict(denoising_start=0.4)], ids=lambda a: ",".join(a) or "defaults")
def test_inpainting_equals_diffusers(xl, arguments):
    mask = Image.new("L", (96, 80))
    mask.paste(255, (20, 24, 60, 48))
    drawn = []
    for pipe in same_kind(xl, TASKS[2]):
        image = pipe("a boat", image=picture(80, 96), mask_image=mask, height=64, width=64, num_inference_steps=6, generator=torch.Generator().manual_seed(2), output_type="pil", **arguments).images[0]
        drawn.append(np.asarray(image).astype(int))
    assert (np.abs(drawn[0] - drawn[1]) <= 1).mean() > 0.999


REFUSED = [
    dict(), dict(prompt="a", height=30), dict(prompt=5), dict(prompt="a", prompt_2=5), dict(prompt="a", negative_prompt=["b", "c"]), dict(prompt=["a", "b"], negative_prompt=["b"]),
    dict(prompt="a", prompt_embeds=torch.zeros(1, 77, 72)), dict(prompt_embeds=torch.zeros(1, 77, 72)), dict(prompt_2="a", prompt_embeds=torch.zeros(1, 77, 72), pooled_prompt_embeds=torch.zeros(1, 24)),
    dict(prompt="a", negative_prompt_embeds=torch.zeros(1, 77, 72)), dict(prompt="a", negative_prompt_2="b", negative_prompt_embeds=torch.zeros(1, 77, 72)),
    dict(prompt="a", generator=[torch.Generator()] * 2), dict(prompt="a", callback_on_step_end_tensor_inputs=["x"]), dict(prompt="a", timesteps=[1], sigmas=[1.0]), dict(prompt="a", target_size=(1, 2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda a: str(a)[:60].replace("\n", ""))
def test_refused_calls_raise_what_diffusers_raises(xl, arguments):
    raised = []
    for pipe in xl:
        with pytest.raises(Exception) as caught:
            pipe(**{"num_inference_steps": 1, "height": 32, "width": 32, **arguments})
        raised.append(caught.type)
    assert issubclass(raised[0], raised[1]), raised


def test_scheduler_keeps_its_settings():
    for name in TASKS:
        made = []
        for library in LIBRARIES:
            pipe = getattr(library, name).from_pretrained(BASE, add_watermarker=False, scheduler=library.DDIMScheduler(steps_offset=0, clip_sample=True))
            made.append({k: v for k, v in pipe.scheduler.config.items() if not k.startswith("_")})
        assert made[0] == made[1]


def test_accelerated_pipelines_draw_the_same():
    pipe = opened(TASKS[0], BASE)[1]
    draw = lambda: pipe("a boat", num_inference_steps=3, height=64, width=64, output_type="np", generator=torch.Generator().manual_seed(1)).images  # noqa: E731
    plain = draw()
    impasto.accelerate(pipe, vae=True)
    np.testing.assert_allclose(draw(), plain, **CLOSE)


@pytest.fixture(scope="module")
def controlled(xl):
    """A pair for each task and number of ControlNets."""
    nets = [library.ControlNetModel.from_pretrained(str(DATA / "adapters" / "xl_controlnet")) for library in LIBRARIES]
    nets[1] = nets[1].float()

    def pair(name, count=1):
        made = [getattr(library, name).from_pipe(pipe, controlnet=net if count == 1 else [net] * count, **({} if library is impasto else {"torch_dtype": torch.float32})) for pipe, net, library in zip(xl, nets, LIBRARIES)]
        for pipe in made:
            pipe.set_progress_bar_config(disable=True)
        return made

    return pair


class TestControlNet:
    def arguments(self, name, count=1):
        edges, other = picture(64, 72, 5), picture(64, 72, 6)
        control = edges if count == 1 else [edges, other]
        more = {"num_inference_steps": 4, "output_type": "np", "controlnet_conditioning_scale": 0.7 if count == 1 else [0.7, 0.4], "control_guidance_start": 0.0 if count == 1 else [0.0, 0.3]}
        if name == CONTROLLED[0]:
            return {"image": control, **more}
        if name == CONTROLLED[1]:
            return {"image": picture(64, 72, 7), "control_image": control, **more}
        mask = Image.new("L", (72, 64))
        mask.paste(255, (20, 24, 60, 48))
        return {"image": picture(64, 72, 7), "mask_image": mask, "control_image": control, **more}

    def drawn(self, pair, **call):
        return [np.asarray(pipe("a boat", "in ink", generator=torch.Generator().manual_seed(4), **call).images) for pipe in pair]

    @pytest.mark.parametrize("more", [dict(num_images_per_prompt=2), dict(guess_mode=True), dict(guidance_scale=1.0), dict(original_size=(128, 96), negative_prompt="grey")], ids=str)
    @pytest.mark.parametrize("name", CONTROLLED)
    def test_draws_what_diffusers_draws(self, controlled, name, more):
        np.testing.assert_allclose(*self.drawn(controlled(name), **{**self.arguments(name), **more}), **CLOSE)

    @pytest.mark.parametrize("name", CONTROLLED)
    def test_several_are_added_up(self, controlled, name):
        np.testing.assert_allclose(*self.drawn(controlled(name, 2), **self.arguments(name, 2)), **CLOSE)

    @pytest.mark.parametrize(
        "name, more",
        [
            (CONTROLLED[0], dict(denoising_end=0.6, num_inference_steps=7, control_guidance_end=0.5, output_type="latent")),
            (CONTROLLED[0], dict(negative_original_size=(512, 768), negative_target_size=(80, 96), negative_crops_coords_top_left=(3, 5))),
            (CONTROLLED[1], dict(strength=0.5, num_inference_steps=8, negative_original_size=(64, 32), height=64, width=80)),
            (CONTROLLED[2], dict(denoising_start=0.4, denoising_end=0.9, num_inference_steps=8)),
            (CONTROLLED[2], dict(strength=1.0, guidance_rescale=0.5)),
        ],
    )
    def test_parts_of_the_walk_and_numbers_are_as_in_diffusers(self, controlled, name, more):
        np.testing.assert_allclose(*self.drawn(controlled(name), **{**self.arguments(name), **more}), **CLOSE)

    def test_a_masked_part_is_drawn_alone(self, controlled):
        drawn = self.drawn(controlled(CONTROLLED[2]), **{**self.arguments(CONTROLLED[2]), "padding_mask_crop": 8, "output_type": "pil", "strength": 0.6, "num_inference_steps": 6})
        assert (np.abs(drawn[0].astype(int) - drawn[1].astype(int)) <= 1).mean() > 0.999

    @pytest.mark.parametrize("name", CONTROLLED)
    def test_callbacks_see_what_diffusers_show(self, controlled, name):
        seen = []

        def change(pipe, step, timestep, tensors):
            seen.append({k: None if v is None else tuple(v.shape) for k, v in tensors.items()})
            followed = "image" if "image" in tensors else "control_image"
            return {followed: tensors[followed] / 2, "prompt_embeds": tensors["prompt_embeds"] * 0.9}

        inputs = getattr(diffusers, name)._callback_tensor_inputs
        np.testing.assert_allclose(*self.drawn(controlled(name), **self.arguments(name), callback_on_step_end=change, callback_on_step_end_tensor_inputs=inputs), **CLOSE)
        assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]

    @pytest.mark.parametrize(
        "mistake",
        [dict(image=None), dict(image="x"), dict(image=[picture(64, 72)] * 3), dict(controlnet_conditioning_scale=1), dict(control_guidance_start=0.6, control_guidance_end=0.5), dict(control_guidance_end=1.1), dict(prompt=3), dict(callback_on_step_end_tensor_inputs=["mask"])],
        ids=str,
    )
    def test_mistakes_raise_what_diffusers_raises(self, controlled, mistake):
        raised = []
        for pipe in controlled(CONTROLLED[0]):
            with pytest.raises(Exception) as caught:
                pipe(**{"prompt": "a boat", **self.arguments(CONTROLLED[0]), **mistake})
            raised.append(caught.type)
        assert raised[0] is raised[1]

    def test_accelerated_pipelines_draw_the_same(self, controlled):
        pipe = controlled(CONTROLLED[0])[1]
        pipe = diffusers.StableDiffusionXLControlNetPipeline(**pipe.components, add_watermarker=False)  # of its own
        pipe.set_progress_bar_config(disable=True)
        unet = pipe.unet
        draw = lambda: self.drawn([pipe], **self.arguments(CONTROLLED[0]))[0]  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe)
        assert pipe.unet is not unet and type(pipe.controlnet).__name__ == "AcceleratedControlNet"
        np.testing.assert_allclose(draw(), plain, **CLOSE)
