"""Beside torch and diffusers themselves: same signatures, same pictures, and Impasto's networks inside diffusers' pipelines."""

import inspect
import shutil

import numpy as np
import pytest
from golden import DATA
from PIL import Image

import impasto

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.diffusers

TINY = str(DATA / "checkpoints" / "tiny-sd15")
TASKS = ["StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"]
SCHEDULERS = sorted(impasto.scheduler_defaults.DEFAULTS)
QUICK = dict(num_inference_steps=3, height=64, width=64, output_type="np")
# Random weights, a few steps: the golden cases of these sizes allow 1e-4 to 4e-3 on latents of about 1 to 20 (tests/data/golden); a pixel is the
# decoder's answer in 0..1.
CLOSE = dict(atol=2e-3)


def parameters(function):
    return {k: p.default for k, p in inspect.signature(function).parameters.items() if k not in ("self", "args", "kwargs", "prepare_latents")}


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


@pytest.fixture(scope="module")
def pair():
    """Ours and diffusers'."""
    # diffusers would draw in the stored types, which are mixed
    made = [library.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32) for library in (impasto, diffusers)]
    for pipe in made:
        pipe.set_progress_bar_config(disable=True)
        pipe.safety_checker = None
    if not hasattr(made[1].text_encoder, "text_model"):
        vars(made[1].text_encoder)["text_model"] = made[1].text_encoder  # clip_skip asks for this name, which transformers 5 dropped
    return made


def both(pair, *args, seed=11, generators=None, **kwargs):
    def generator():
        return [torch.Generator().manual_seed(s) for s in generators] if generators else torch.Generator().manual_seed(seed)

    return [np.asarray(pipe(*args, **{**QUICK, "generator": generator(), **kwargs}).images) for pipe in pair]


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


def picture(height, width, seed=0):
    smooth = np.random.default_rng(seed).random((8, 8, 3))
    return Image.fromarray((smooth * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


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


class TestAdapters:
    """Beside PEFT, which diffusers needs for them."""

    @pytest.fixture
    def fresh(self):
        pytest.importorskip("peft")
        made = [library.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32) for library in (impasto, diffusers)]
        for pipe, library in zip(made, (impasto, diffusers)):
            pipe.set_progress_bar_config(disable=True)
            pipe.safety_checker = None
            pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
        return made

    def load(self, fresh, *names):
        for pipe in fresh:
            for name in names:
                pipe.load_lora_weights(DATA / "adapters", weight_name=f"lora_{name}.safetensors", adapter_name=name)

    def same(self, fresh):
        np.testing.assert_allclose(*both(fresh, "a boat at sunset"), **CLOSE)
        assert fresh[0].get_active_adapters() == fresh[1].get_active_adapters()
        assert fresh[0].get_list_adapters() == {k: sorted(v) for k, v in fresh[1].get_list_adapters().items()}

    def test_the_last_one_counts_until_one_says_otherwise(self, fresh):
        self.load(fresh, "kohya", "peft")
        self.same(fresh)

    def test_mixed_scaled_switched_off_deleted_and_unloaded(self, fresh):
        plain = both(fresh, "a boat at sunset")[0]
        self.load(fresh, "kohya", "peft")
        steps = [
            lambda pipe: pipe.set_adapters(["kohya", "peft"], [0.7, 0.4]),
            lambda pipe: pipe.set_adapters("kohya", 0.5),
            lambda pipe: pipe.set_adapters(["kohya"], [{"unet": 0.3, "text_encoder": 0.9}]),
            lambda pipe: pipe.delete_adapters("peft"),
        ]
        for step in steps:
            for pipe in fresh:
                step(pipe)
            self.same(fresh)
        fresh[0].disable_lora()
        np.testing.assert_array_equal(both(fresh[:1], "a boat at sunset")[0], plain)
        fresh[0].enable_lora()
        assert not np.array_equal(both(fresh[:1], "a boat at sunset")[0], plain)
        fresh[0].unload_lora_weights()
        np.testing.assert_array_equal(both(fresh[:1], "a boat at sunset")[0], plain)

    def test_fused_stays_when_unloaded(self, fresh):
        self.load(fresh, "kohya")
        for pipe in fresh:
            pipe.fuse_lora(lora_scale=0.6)
            pipe.unload_lora_weights()
        np.testing.assert_allclose(*both(fresh, "a boat at sunset"), **CLOSE)

    def test_mistakes_raise_what_diffusers_raises(self, fresh):
        self.load(fresh, "kohya")
        wrong = [
            lambda pipe: pipe.set_adapters("none"),
            lambda pipe: pipe.set_adapters(["kohya"], [1.0, 2.0]),
            lambda pipe: pipe.load_lora_weights(DATA / "adapters", weight_name="lora_peft.safetensors", adapter_name="kohya"),
            lambda pipe: pipe.load_lora_weights(DATA / "adapters", weight_name="none.safetensors"),
        ]
        for mistake in wrong:
            raised = []
            for pipe in fresh:
                with pytest.raises(Exception) as caught:
                    mistake(pipe)
                raised.append(caught.type)
            assert issubclass(raised[0], raised[1]), raised


class TestTextualInversion:
    FILES = DATA / "embeddings"

    @pytest.fixture
    def fresh(self):
        made = [library.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32) for library in (impasto, diffusers)]
        for pipe, library in zip(made, (impasto, diffusers)):
            pipe.set_progress_bar_config(disable=True)
            pipe.safety_checker = None
            pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
        return made

    def test_words_draw_what_they_draw_in_diffusers(self, fresh):
        vectors = torch.randn(2, fresh[1].text_encoder.config.hidden_size, generator=torch.Generator().manual_seed(3))
        for pipe in fresh:
            pipe.load_textual_inversion(self.FILES / "inkwash.safetensors", token="inkwash")
            pipe.load_textual_inversion(self.FILES, weight_name="learned.safetensors")
            pipe.load_textual_inversion({"<mine>": vectors})
        np.testing.assert_allclose(*both(fresh, "a boat in inkwash, <sea-light> and <mine>", negative_prompt="<sea-light>"), **CLOSE)
        for pipe in fresh:
            pipe.unload_textual_inversion("<sea-light>")
        np.testing.assert_allclose(*both(fresh, "a boat in inkwash and <mine>"), **CLOSE)

    @pytest.mark.parametrize(
        "mistake",
        [
            lambda pipe, files: pipe.load_textual_inversion(files / "none.safetensors"),
            lambda pipe, files: pipe.load_textual_inversion(torch.ones(1, 5), token="<x>"),
            lambda pipe, files: pipe.load_textual_inversion(torch.ones(1, 32)),
            lambda pipe, files: pipe.load_textual_inversion({"a": torch.ones(1, 32), "b": torch.ones(1, 32)}),
            lambda pipe, files: pipe.load_textual_inversion(files / "inkwash.safetensors", token="a"),
            lambda pipe, files: pipe.load_textual_inversion([files / "inkwash.safetensors", files / "learned.safetensors"], token=["<x>"]),
            lambda pipe, files: pipe.unload_textual_inversion("<x>"),
            lambda pipe, files: [pipe.load_textual_inversion(files / "learned.safetensors") for _ in range(2)],
        ],
    )
    def test_mistakes_raise_what_diffusers_raises(self, fresh, mistake):
        raised = []
        for pipe in fresh:
            with pytest.raises(Exception) as caught:
                mistake(pipe, self.FILES)
            raised.append(caught.type)
        assert issubclass(raised[0], raised[1]), raised


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
    ],
)
def test_timesteps_and_sigmas_of_ones_own(pair, name, own):
    for pipe, library in zip(pair, (impasto, diffusers)):
        pipe.scheduler = getattr(library, name).from_config(pipe.scheduler.config, use_karras_sigmas=False)
    np.testing.assert_allclose(*both(pair, "a boat", **own), **CLOSE)


@pytest.mark.parametrize("arguments", [dict(), dict(height=30), dict(prompt="a", negative_prompt=["b"]), dict(prompt=["a", "b"], negative_prompt=["b"]), dict(prompt="a", generator=[torch.Generator()] * 2), dict(prompt="a", callback_on_step_end_tensor_inputs=["x"]), dict(prompt=5)], ids=str)
def test_mistakes_raise_what_diffusers_raises(pair, arguments):
    raised = []
    for pipe in pair:
        with pytest.raises(Exception) as caught:
            pipe(**{"num_inference_steps": 1, **arguments})
        raised.append(caught.type)
    assert raised[0] is raised[1]


class TestAccelerate:
    @pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
    def dtype(self, request):
        return request.param

    def load(self, dtype=torch.float32):
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=dtype, safety_checker=None)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @pytest.mark.parametrize("scheduler", ["PNDMScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler"])
    def test_draws_the_same_with_diffusers_schedulers(self, scheduler):
        pipe = self.load()
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
        draw = lambda: pipe("a boat", **QUICK, num_images_per_prompt=2, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        assert impasto.accelerate(pipe, vae=True, text_encoder=True) is pipe
        assert type(pipe.unet).__name__ == "AcceleratedUNet"
        np.testing.assert_allclose(draw(), plain, **CLOSE)

    def test_weights_are_not_copied_and_outlive_the_module(self):
        pipe = self.load()
        plain = pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images
        impasto.accelerate(pipe)
        import gc

        gc.collect()
        np.testing.assert_allclose(pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images, plain, **CLOSE)

    def test_looks_like_the_module_that_it_stands_for(self, dtype):
        pipe = self.load(dtype)
        config = dict(pipe.unet.config)
        impasto.accelerate(pipe)
        assert dict(pipe.unet.config) == config and pipe.unet.dtype == dtype and pipe.unet.device == torch.device("cpu")
        sample, context = torch.randn(2, 4, 8, 8, dtype=dtype), torch.randn(2, 77, pipe.unet.config.cross_attention_dim, dtype=dtype)
        out = pipe.unet(sample, torch.tensor(500), encoder_hidden_states=context)
        assert out.sample.dtype == dtype and out.sample.shape == sample.shape
        assert torch.equal(pipe.unet(sample, 500, context, return_dict=False)[0], out.sample)

    def test_one_timestep_for_each_image(self):
        pipe = self.load()
        sample, context = torch.randn(2, 4, 8, 8), torch.randn(2, 77, pipe.unet.config.cross_attention_dim)
        times = torch.tensor([900, 20])
        with torch.no_grad():
            expected = pipe.unet(sample, times, context).sample
        torch.testing.assert_close(impasto.accelerate(pipe).unet(sample, times, context).sample, expected, rtol=1e-3, atol=1e-3)

    def test_conditioning_follows_its_text(self):
        pipe = impasto.accelerate(self.load())
        sample, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, pipe.unet.config.cross_attention_dim)
        first = pipe.unet(sample, 5, context).sample
        other = pipe.unet(sample, 5, context * 2).sample
        context.mul_(2)  # the same tensor with other numbers
        assert torch.equal(pipe.unet(sample, 5, context).sample, other) and not torch.equal(first, other)

    def test_image_to_image_of_diffusers_works_with_it(self):
        pipe = diffusers.StableDiffusionImg2ImgPipeline(**self.load().components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        draw = lambda: pipe("a boat", image=picture(64, 64), num_inference_steps=4, generator=torch.Generator().manual_seed(1), output_type="np").images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe, vae=True)
        np.testing.assert_allclose(draw(), plain, **CLOSE)

    def test_tensors_are_not_copied_where_they_lie_densely(self):
        from impasto.arrays import like, to_numpy

        x = torch.randn(2, 4, 8, 8)
        assert np.shares_memory(to_numpy(x), x.numpy())
        out = to_numpy(x).copy()
        assert np.shares_memory(like(out, x).numpy(), out)

    def test_words_loaded_before_go_with_the_text_encoder(self):
        pipe = self.load()
        pipe.load_textual_inversion(DATA / "embeddings" / "learned.safetensors")
        draw = lambda: pipe("a <sea-light> boat", **QUICK, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe, vae=True, text_encoder=True)
        np.testing.assert_allclose(draw(), plain, **CLOSE)
        with pytest.raises(AttributeError, match="before accelerate"):
            pipe.load_textual_inversion(DATA / "embeddings" / "inkwash.safetensors", token="inkwash")

    def test_calls_for_gpu_memory_are_accepted(self):
        pipe = impasto.accelerate(self.load(), vae=True)
        pipe.enable_attention_slicing()
        pipe.vae.enable_tiling()
        pipe.unet.fuse_qkv_projections()
        assert pipe.to("cpu") is pipe
        with pytest.raises(AttributeError, match="before accelerate"):
            pipe.enable_freeu(1.0, 1.0, 1.0, 1.0)

    def test_refuses_what_is_no_pipeline(self):
        with pytest.raises(TypeError, match="pipeline"):
            impasto.accelerate(3)

    def test_lora_of_peft_goes_in_as_it_is(self):
        pytest.importorskip("peft")
        pipe = self.load()
        pipe.load_lora_weights(DATA / "adapters", weight_name="lora_kohya.safetensors", adapter_name="kohya")
        pipe.load_lora_weights(DATA / "adapters", weight_name="lora_peft.safetensors", adapter_name="peft")
        pipe.set_adapters(["kohya", "peft"], [0.7, -0.4])
        draw = lambda: pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe)
        np.testing.assert_allclose(draw(), plain, **CLOSE)
        with pytest.raises(NotImplementedError, match="scale"):
            pipe("a boat", **QUICK, cross_attention_kwargs={"scale": 0.5})


NET = str(DATA / "adapters" / "controlnet")
CONTROLLED = ["StableDiffusionControlNetPipeline", "StableDiffusionControlNetImg2ImgPipeline", "StableDiffusionControlNetInpaintPipeline"]


class TestControlNet:
    @pytest.fixture(params=[1, 2], ids=["one", "two"])
    def nets(self, request):
        return request.param

    def load(self, kind, library, nets):
        net = library.ControlNetModel.from_pretrained(NET)
        more = {} if library is impasto else {"safety_checker": None}
        pipe = getattr(library, kind).from_pretrained(TINY, controlnet=net if nets == 1 else [net] * nets, torch_dtype=torch.float32, **more)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
        return pipe

    def arguments(self, kind, nets, crop=None):
        edges, other = picture(64, 72, 5), picture(64, 72, 6)
        control = edges if nets == 1 else [edges, other]
        more = {"num_inference_steps": 4, "output_type": "np", "controlnet_conditioning_scale": 0.7 if nets == 1 else [0.7, 0.4], "control_guidance_start": 0.0 if nets == 1 else [0.0, 0.3], "num_images_per_prompt": 2}
        if kind == CONTROLLED[0]:
            return {"image": control, **more}
        if kind == CONTROLLED[1]:
            return {"image": picture(64, 72, 7), "control_image": control, **more}
        mask = Image.new("L", (72, 64))
        mask.paste(255, (20, 24, 60, 48))
        return {"image": picture(64, 72, 7), "mask_image": mask, "control_image": control, **more}

    @pytest.mark.parametrize("kind", CONTROLLED)
    def test_has_diffusers_arguments_and_parts(self, kind):
        for method in ("__call__", "__init__"):
            ours, theirs = parameters(getattr(getattr(impasto, kind), method)), parameters(getattr(getattr(diffusers, kind), method))
            assert list(ours) == list(theirs)
            assert method == "__init__" or {k: v for k, v in ours.items() if v != theirs[k]} == {}
        assert getattr(impasto, kind)._callback_tensor_inputs == getattr(diffusers, kind)._callback_tensor_inputs

    @pytest.mark.parametrize("guess_mode", [False, True], ids=["led", "guessing"])
    @pytest.mark.parametrize("kind", CONTROLLED)
    def test_draws_what_diffusers_draws_and_accelerates_it(self, kind, nets, guess_mode):
        call = {**self.arguments(kind, nets), "guess_mode": guess_mode}
        ours, theirs = self.load(kind, impasto, nets), self.load(kind, diffusers, nets)
        draw = lambda pipe: pipe("a boat", **call, generator=torch.Generator().manual_seed(4)).images  # noqa: E731
        expected = draw(theirs)
        np.testing.assert_allclose(draw(ours), expected, **CLOSE)
        impasto.accelerate(theirs)
        first = theirs.controlnet if nets == 1 else theirs.controlnet.nets[1]
        assert type(first).__name__ == "AcceleratedControlNet" and isinstance(first, diffusers.ControlNetModel)
        np.testing.assert_allclose(draw(theirs), expected, **CLOSE)

    def test_callback_gets_the_picture_as_in_diffusers(self):
        seen = []

        def fade(pipe, step, timestep, tensors):
            seen.append(tensors["image"].shape)
            return {"image": tensors["image"] / 2}

        drawn = [self.load(CONTROLLED[0], library, 1)("a boat", **self.arguments(CONTROLLED[0], 1), generator=torch.Generator().manual_seed(4), callback_on_step_end=fade, callback_on_step_end_tensor_inputs=["image"]).images for library in (impasto, diffusers)]
        assert len(set(seen)) == 1
        np.testing.assert_allclose(*drawn, **CLOSE)

    @pytest.mark.parametrize(
        "mistake",
        [dict(image=None), dict(image="x"), dict(image=[picture(64, 72)] * 3), dict(controlnet_conditioning_scale=1), dict(control_guidance_start=0.6, control_guidance_end=0.5), dict(control_guidance_end=1.1), dict(control_guidance_start=[0.1, 0.2], control_guidance_end=[0.5]), dict(prompt=3), dict(callback_on_step_end_tensor_inputs=["mask"])],
        ids=str,
    )
    def test_mistakes_raise_what_diffusers_raises(self, mistake):
        raised = []
        for library in (impasto, diffusers):
            with pytest.raises(Exception) as caught:
                self.load(CONTROLLED[0], library, 1)(**{"prompt": "a boat", **self.arguments(CONTROLLED[0], 1), **mistake})
            raised.append(caught.type)
        assert raised[0] is raised[1]

    def test_several_need_a_list(self):
        for library in (impasto, diffusers):
            with pytest.raises(TypeError):
                self.load(CONTROLLED[0], library, 2)("a boat", picture(64, 72))
            with pytest.raises(ValueError):
                self.load(CONTROLLED[0], library, 2)("a boat", [picture(64, 72)])

    def test_components_of_diffusers_answer_alike(self):
        ours, theirs = (library.ControlNetModel.from_pretrained(NET) for library in (impasto, diffusers))
        x, context, edges = torch.randn(2, 4, 8, 8), torch.randn(2, 77, ours.config.cross_attention_dim), torch.rand(2, 3, 64, 64)
        times = torch.tensor([900, 20])
        with torch.no_grad():
            expected = theirs(x, times, context, edges, 0.8)
        found = ours(x, times, context, edges, 0.8)
        for a, b in zip([*found.down_block_res_samples, found.mid_block_res_sample], [*expected.down_block_res_samples, expected.mid_block_res_sample]):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


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
