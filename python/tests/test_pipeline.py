"""How a pipeline behaves as a Python object: semantics of diffusers' calls without diffusers."""

import asyncio
import gc
import json
import os
import signal
import struct
import threading
import time

import numpy as np
import pytest
from golden import DATA, read_safetensors
from PIL import Image

import impasto

QUICK = dict(num_inference_steps=2, height=32, width=32)


def latents(pipe, *args, **kwargs):
    return np.asarray(pipe(*args, **{**QUICK, "generator": 5, "output_type": "latent", **kwargs}).images)


def test_same_seed_same_picture_and_another_seed_another(pipe):
    a, b, c = (pipe("a boat", **QUICK, generator=seed).images[0] for seed in (1, 1, 2))
    assert a.size == (32, 32) and a.mode == "RGB"
    assert a.tobytes() == b.tobytes() != c.tobytes()


def test_generator_state_moves_on(pipe):
    generator = impasto.Generator().manual_seed(3)
    first = latents(pipe, "a boat", generator=generator)
    second = latents(pipe, "a boat", generator=generator)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, latents(pipe, "a boat", generator=3))


def test_generator_draws_what_torch_draws_on_a_gpu():
    """torch.randn(4, device="cuda") after torch.manual_seed(0), of any GPU."""
    draws = impasto.Generator("cuda").manual_seed(0)
    assert draws.device == "cuda"
    np.testing.assert_allclose(draws.randn(4), [-0.9246624, -0.42534423, -2.6438458, 0.14518386], atol=5e-6)
    with pytest.raises(RuntimeError, match="'cpu' or 'cuda'"):
        impasto.Generator("mps")


def test_list_of_prompts_is_a_batch_in_prompt_major_order(pipe):
    both = latents(pipe, ["a boat", "a tree"], num_images_per_prompt=2, generator=[1, 2, 3, 4])
    assert both.shape == (4, 4, 4, 4)
    for k, (prompt, seed) in enumerate([("a boat", 1), ("a boat", 2), ("a tree", 3), ("a tree", 4)]):
        np.testing.assert_array_equal(both[k : k + 1], latents(pipe, prompt, generator=seed))


def test_one_generator_draws_one_stream_for_the_batch(pipe):
    pipe.scheduler = impasto.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    both = latents(pipe, "a boat", num_images_per_prompt=2, generator=1)
    alone = latents(pipe, "a boat", generator=1)
    start = impasto.Generator().manual_seed(1).randn(2, 4, 4, 4)
    assert not np.array_equal(both[1:], alone) and not np.array_equal(both[0], both[1])
    assert start[0].tobytes() == impasto.Generator().manual_seed(1).randn(1, 4, 4, 4)[0].tobytes()


def test_latents_of_ones_own_take_the_place_of_noise(pipe):
    noise = impasto.Generator().manual_seed(5).randn(1, 4, 4, 4)
    np.testing.assert_array_equal(latents(pipe, "a boat", latents=noise), latents(pipe, "a boat"))


def test_prompt_embeds_equal_the_prompt(pipe):
    positive, negative = pipe.encode_prompt("a boat", "cpu", 1, True, "a tree")
    expected = latents(pipe, "a boat", negative_prompt="a tree")
    np.testing.assert_array_equal(expected, latents(pipe, prompt_embeds=positive, negative_prompt_embeds=negative))


def test_output_types(pipe):
    pixels = pipe("a boat", **QUICK, generator=5, output_type="np").images
    assert pixels.shape == (1, 32, 32, 3) and pixels.dtype == np.float32 and 0 <= pixels.min() <= pixels.max() <= 1
    picture = pipe("a boat", **QUICK, generator=5).images[0]
    np.testing.assert_array_equal((pixels[0] * 255).round().astype(np.uint8), np.asarray(picture))
    images, nsfw = pipe("a boat", **QUICK, generator=5, return_dict=False)
    assert images[0].tobytes() == picture.tobytes() and nsfw is None


def test_output_unpacks_and_shows_itself(pipe):
    out = pipe("a boat", **QUICK, generator=5)
    assert out[0] is out.images is out["images"] and out.nsfw_content_detected is None
    assert out._repr_png_().startswith(b"\x89PNG")
    assert "a boat" in out._repr_html_() and "data:image/png" in out._repr_html_()


def test_callback_sees_each_step_and_its_latents_go_on(pipe):
    seen = []

    def zero(p, step, timestep, tensors):
        seen.append((step, float(timestep), tensors["latents"].shape))
        return {"latents": np.zeros_like(tensors["latents"])}

    pipe.scheduler = impasto.DDIMScheduler.from_config(pipe.scheduler.config)
    assert not latents(pipe, "a boat", callback_on_step_end=zero).any()
    assert [s[0] for s in seen] == [0, 1] and seen[0][1] > seen[1][1] and seen[0][2] == (1, 4, 4, 4)


def test_callback_can_end_guidance(pipe):
    """What diffusers' SDCFGCutoffCallback does."""

    def cut(p, step, timestep, tensors):
        if step == 0:
            p._guidance_scale = 0.0
            tensors["prompt_embeds"] = tensors["prompt_embeds"][-1:]
        return tensors

    cut_off = latents(pipe, "a boat", callback_on_step_end=cut, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    assert not np.array_equal(cut_off, latents(pipe, "a boat"))


def test_preview_shows_the_picture_so_far(pipe):
    shown = []

    def look(p, step, timestep, tensors):
        shown.append((p.preview(), p.preview("vae")))
        with pytest.raises(ValueError, match="linear"):
            p.preview("taesd")
        return tensors

    pipe.scheduler = impasto.DDIMScheduler.from_config(pipe.scheduler.config, set_alpha_to_one=True, clip_sample=False)
    call = dict(num_images_per_prompt=2, height=40, width=32, num_inference_steps=3, generator=1)
    final = pipe("a boat", **call, callback_on_step_end=look).images
    assert [(len(a), a[0].size, b[1].size) for a, b in shown] == [(2, (32, 40), (32, 40))] * 3
    last, drawn = (np.asarray(pictures[0], np.int16) for pictures in (shown[-1][1], final))  # DDIM's last step ends at the clean latents
    assert np.abs(last - drawn).max() <= 1
    with pytest.raises(RuntimeError, match="callback"):
        pipe.preview()


def test_live_preview_shows_every_so_many_steps(pipe):
    shown = []
    plain = latents(pipe, "a boat", num_inference_steps=6, num_images_per_prompt=2)
    watched = latents(pipe, "a boat", num_inference_steps=6, num_images_per_prompt=2, callback_on_step_end=impasto.LivePreview(every=2, show=shown.append))
    assert len(shown) == 3 and [p.size for p in shown[0]] == [(32, 32)] * 2
    np.testing.assert_array_equal(watched, plain)
    with pytest.raises(ValueError, match="at least 1"):
        impasto.LivePreview(every=0)


def test_interrupt_leaves_out_the_steps_that_are_left(pipe):
    steps = []

    def stop(p, step, timestep, tensors):
        steps.append(step)
        p._interrupt = step == 1
        return tensors

    out = pipe("a boat", height=32, width=32, num_inference_steps=20, generator=1, callback_on_step_end=stop)
    assert steps == [0, 1] and len(out.images) == 1
    assert latents(pipe, "a boat").any() and not pipe.interrupt


def test_scheduler_swap_by_config(pipe):
    euler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=True)
    assert euler.config.use_karras_sigmas and euler.config.beta_schedule == pipe.scheduler.config.beta_schedule
    before = latents(pipe, "a boat")
    pipe.scheduler = euler
    assert not np.array_equal(before, latents(pipe, "a boat"))
    pipe.scheduler = impasto.PNDMScheduler.from_config(euler.config)
    np.testing.assert_array_equal(before, latents(pipe, "a boat"))


def test_defaults_of_one_scheduler_do_not_reach_another():
    pndm = impasto.PNDMScheduler(beta_schedule="scaled_linear")
    assert pndm.config.timestep_spacing == "leading"
    assert impasto.EulerDiscreteScheduler.from_config(pndm.config).config.timestep_spacing == "linspace"


def test_config_is_frozen(pipe):
    with pytest.raises((TypeError, AttributeError)):
        pipe.scheduler.config["beta_start"] = 1
    with pytest.raises(AttributeError):
        pipe.unet.config.no_such_field


def test_scheduler_walks_by_hand(pipe):
    scheduler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(4)
    x = impasto.Generator().manual_seed(1).randn(1, 4, 4, 4) * np.float32(scheduler.init_noise_sigma)
    context, _ = pipe.encode_prompt("a boat", do_classifier_free_guidance=False)
    for t in scheduler.timesteps:
        x = scheduler.step(pipe.unet(scheduler.scale_model_input(x, t), t, context).sample, t, x).prev_sample
    pipe.scheduler = scheduler
    np.testing.assert_allclose(x, latents(pipe, "a boat", guidance_scale=1, generator=1, num_inference_steps=4), atol=1e-4)


def test_timesteps_and_sigmas_of_ones_own(pipe):
    for name in ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DDPMScheduler", "LCMScheduler", "TCDScheduler"):
        pipe.scheduler = getattr(impasto, name).from_config(pipe.scheduler.config)
        walk = pipe.scheduler.copy()
        walk.set_timesteps(5)
        usual = latents(pipe, "a boat", num_inference_steps=5)
        np.testing.assert_array_equal(usual, latents(pipe, "a boat", timesteps=list(walk.timesteps)))
        assert not np.array_equal(usual, latents(pipe, "a boat", timesteps=[999, 850, 736, 645, 545]))
    pipe.scheduler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    walk = pipe.scheduler.copy()
    walk.set_timesteps(5)
    np.testing.assert_allclose(latents(pipe, "a boat", sigmas=list(walk.sigmas)), latents(pipe, "a boat", num_inference_steps=5), atol=2e-3)
    seen = []
    pipe("a boat", height=32, width=32, timesteps=[900, 500, 40], generator=1, callback_on_step_end=lambda p, i, t, k: seen.append(float(t)) or k)
    assert seen == [900, 500, 40]


def test_image_to_image_shares_weights_and_follows_strength(pipe):
    pipe.scheduler = impasto.DDIMScheduler.from_config(pipe.scheduler.config)  # a step is one call of the network
    from_pipe = impasto.AutoPipelineForImage2Image.from_pipe(pipe)
    by_components = impasto.StableDiffusionImg2ImgPipeline(**pipe.components)
    assert from_pipe.unet is pipe.unet is by_components.unet
    picture = Image.fromarray((np.arange(40 * 35 * 3) % 251).astype(np.uint8).reshape(35, 40, 3))
    call = dict(prompt="a boat", image=picture, num_inference_steps=5, generator=1)
    steps = []
    out = from_pipe(**call, strength=0.5, callback_on_step_end=lambda p, i, t, k: steps.append(i) or k)
    assert out.images[0].size == (40, 32) and steps == [0, 1]
    assert out.images[0].tobytes() == by_components(**call, strength=0.5).images[0].tobytes()


def test_inpainting_keeps_what_is_not_masked(pipe):
    fill = impasto.AutoPipelineForInpainting.from_pipe(pipe)
    picture = np.full((32, 32, 3), 0.5, np.float32)
    mask = np.zeros((32, 32), np.float32)
    mask[:, 16:] = 1
    ends = []
    for seed in (1, 2):
        posterior = np.asarray(fill("a boat", image=picture, mask_image=mask, **QUICK, generator=seed, output_type="latent").images)
        ends.append(posterior)
    clean = pipe.vae.encode(np.full((1, 3, 32, 32), 0.0, np.float32)).latent_dist
    for drawn in ends:  # the last step puts the picture's own latents back, but for the posterior's noise
        np.testing.assert_allclose(drawn[:, :, :, :2] / 0.18215, clean.mean[:, :, :, :2], atol=6 * float(np.max(clean.std)))
    assert not np.allclose(ends[0][:, :, :, 2:], ends[1][:, :, :, 2:])


def test_padding_mask_crop_leaves_the_rest_of_the_picture_alone(pipe):
    fill = impasto.StableDiffusionInpaintPipeline.from_pipe(pipe)
    picture = Image.fromarray((np.arange(96 * 64 * 3) % 199).astype(np.uint8).reshape(64, 96, 3))
    mask = Image.new("L", picture.size)
    mask.paste(255, (10, 20, 26, 36))
    drawn = fill("a boat", image=picture, mask_image=mask, padding_mask_crop=4, **QUICK, generator=1).images[0]
    assert drawn.size == picture.size
    outside = np.asarray(mask) == 0
    np.testing.assert_array_equal(np.asarray(drawn)[outside], np.asarray(picture)[outside])
    assert (np.asarray(drawn)[~outside] != np.asarray(picture)[~outside]).any()


def test_two_threads_draw_what_one_draws_after_the_other(pipe):
    prompts = ["a boat", "a tree", "a house"]
    alone = [latents(pipe, p, guidance_scale=3.0 + i, num_inference_steps=4) for i, p in enumerate(prompts)]
    together = [None] * len(prompts)

    def draw(i):
        together[i] = latents(pipe, prompts[i], guidance_scale=3.0 + i, num_inference_steps=4)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(len(prompts))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for a, b in zip(alone, together):
        np.testing.assert_array_equal(a, b)


def test_other_threads_run_while_it_draws(pipe):
    turns, drawing = [0], threading.Event()

    def count():
        while not drawing.is_set():
            turns[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    pipe.unet(np.zeros((2, 4, 32, 32), np.float32), 1, np.zeros((2, 77, pipe.unet.config.cross_attention_dim), np.float32))
    drawing.set()
    thread.join()
    assert turns[0] > 1


def test_agenerate_equals_a_call_and_stops_when_cancelled(pipe):
    async def both():
        drawn = await pipe.agenerate("a boat", **QUICK, generator=5, output_type="latent")
        task = asyncio.ensure_future(pipe.agenerate("a boat", num_inference_steps=900, height=64, width=64))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return drawn

    drawn = asyncio.run(both())
    np.testing.assert_array_equal(np.asarray(drawn.images), latents(pipe, "a boat"))
    assert not pipe._calls.running


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a terminal has it: what a shell starts in the background ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_keyboard_interrupt_stops_within_a_step(pipe):
    expected = latents(pipe, "a boat")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        # one call of the network that takes many seconds
        pipe.unet(np.zeros((64, 4, 96, 96), np.float32), 1, np.ones((64, 77, pipe.unet.config.cross_attention_dim), np.float32))
        time.sleep(5)
        pytest.fail("the signal came after the call")
    timer.join()
    np.testing.assert_array_equal(expected, latents(pipe, "a boat"))


@pytest.mark.usefixtures("ctrl_c")
def test_keyboard_interrupt_ends_a_call_and_leaves_the_pipeline_usable(pipe):
    expected = latents(pipe, "a boat")

    def press(p, step, timestep, tensors):
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        assert step < 50
        return tensors

    with pytest.raises(KeyboardInterrupt):
        pipe("a boat", num_inference_steps=900, height=64, width=64, callback_on_step_end=press)
    assert not pipe._calls.running
    np.testing.assert_array_equal(expected, latents(pipe, "a boat"))


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat_over_200_pictures(pipe):
    def draw(n):
        for seed in range(n):
            pipe(["a boat"], num_inference_steps=1, height=16, width=16, generator=seed, callback_on_step_end=lambda p, i, t, k: k)
        gc.collect()
        return resident()

    before = draw(20)
    # what one picture leaves behind, were it only its own latents and pixels, would be 200 times 5 KB; the allocator's own wandering is below 4 MB
    assert draw(200) - before < 4 << 20


def test_failed_loads_leave_no_memory(tiny, tmp_path):
    import shutil

    broken = shutil.copytree(tiny, tmp_path / "broken")
    weights = next((broken / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])

    def fail(n):
        for _ in range(n):
            with pytest.raises(OSError):
                impasto.StableDiffusionPipeline.from_pretrained(broken)
        gc.collect()
        return resident()

    before = fail(5)
    assert fail(30) - before < 4 << 20


def test_saved_pipeline_draws_the_same(pipe, tmp_path):
    pipe.scheduler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=True)
    pipe.save_pretrained(tmp_path / "saved")
    again = impasto.DiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert type(again) is impasto.StableDiffusionPipeline and again.scheduler.config.use_karras_sigmas
    np.testing.assert_array_equal(latents(pipe, "a boat"), latents(again, "a boat"))


def test_calls_for_gpu_memory_are_accepted_and_say_so_once(pipe, caplog):
    for _ in range(2):
        pipe.enable_attention_slicing()
        pipe.enable_vae_slicing()
        pipe.vae.enable_slicing()
    assert len(caplog.records) == 3 and "nothing to do" in caplog.text
    assert pipe.to("cpu") is pipe


def test_vae_tiling_changes_large_pictures_alone_until_it_is_switched_off(pipe):
    def draw(side):
        return np.asarray(pipe("a boat", num_inference_steps=1, height=side, width=side, generator=5, output_type="np").images)

    small, large = draw(64), draw(160)
    pipe.enable_vae_tiling()
    assert np.array_equal(draw(64), small) and not np.array_equal(draw(160), large)
    pipe.disable_vae_tiling()
    assert np.array_equal(draw(160), large)


def write_single_file(path, folder):
    """The tensors of a folder under the names of the first releases."""
    files = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
    stored = {component: read_safetensors(os.path.join(folder, component, f"{stem}.safetensors")) for component, stem in files.items()}
    header, parts, end = {}, [], 0
    for line in (DATA / "single_files" / "tiny-sd15.tsv").read_text().splitlines():
        name, component, source = line.split("\t")[:3]
        data = np.ascontiguousarray(stored[component][source])
        header[name] = {"dtype": {"float16": "F16", "float32": "F32"}[str(data.dtype)], "shape": data.shape, "data_offsets": [end, end + data.nbytes]}
        end += data.nbytes
        parts.append(data.tobytes())
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def test_single_file_draws_as_its_folder(pipe, tiny, tmp_path):
    write_single_file(tmp_path / "model.safetensors", tiny)
    one = impasto.DiffusionPipeline.from_single_file(tmp_path / "model.safetensors", config=tiny)
    one.set_progress_bar_config(disable=True)
    assert type(one) is impasto.StableDiffusionPipeline and one.unet.config.cross_attention_dim == pipe.unet.config.cross_attention_dim
    one.scheduler = pipe.scheduler
    np.testing.assert_array_equal(latents(one, "a boat"), latents(pipe, "a boat"))


def test_single_file_that_is_none_raises_what_diffusers_raises(tmp_path):
    with pytest.raises(OSError, match="no such file"):
        impasto.StableDiffusionPipeline.from_single_file(tmp_path / "none.safetensors")
    with pytest.raises(OSError):
        impasto.StableDiffusionPipeline.from_single_file(DATA / "pictures" / "rgb.png")


def test_long_prompt_is_cut_with_a_warning(pipe, caplog):
    latents(pipe, "a boat " * 200)
    assert "was cut" in caplog.text


def test_built_in_model_draws():
    pipe = impasto.AutoPipelineForText2Image.from_pretrained(impasto.built_in_model())
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a city skyline at sunset", num_inference_steps=2, generator=1).images[0]
    assert np.asarray(picture).std() > 10
