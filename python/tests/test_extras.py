"""Arguments beyond diffusers' own, beside the command, whose loop is another one (in C++)."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
from golden import DATA
from PIL import Image

import impasto

SIZE = dict(num_inference_steps=6, height=64, width=64)
PICTURE = Image.fromarray((np.random.default_rng(0).random((64, 64, 3)) * 255).astype(np.uint8))


def command():
    """The program of this build, or of this wheel."""
    package = pathlib.Path(impasto.__file__).parent
    found = [p for p in (package / "bin" / "impasto", package.parents[1] / "cli" / "impasto") if p.exists()]
    if not found:
        pytest.skip("this build has no command to compare with")
    return str(found[0])


def by_command(folder, model, *options, steps=6):
    """Pictures that `impasto generate` draws, [n, h, w, 3]."""
    PICTURE.save(folder / "in.png")
    size = ["--steps", str(steps), "-W", "64", "-H", "64", "-s", "5"]
    subprocess.run([command(), "generate", "--model", model, *size, *options, "-q", "-o", "out-%d.png"], cwd=folder, check=True)
    return np.stack([np.asarray(Image.open(folder / name)) for name in sorted(os.listdir(folder)) if name.startswith("out-")]).astype(int)


def drawn(pipe, *args, **kwargs):
    return np.stack([np.asarray(image) for image in pipe(*args, **{**SIZE, "generator": 5, **kwargs}).images]).astype(int)


@pytest.mark.parametrize(
    "arguments, options",
    [
        (dict(deep_cache_interval=3), ["--deep-cache-interval", "3"]),
        (dict(deep_cache_interval=2, guidance_stop=0.5), ["--deep-cache-interval", "2", "--guidance-stop", "0.5"]),
        (dict(deep_cache_interval=4, guidance_start=0.4, guidance_stop=0.7), ["--deep-cache-interval", "4", "--guidance-start", "0.4", "--guidance-stop", "0.7"]),
        (dict(token_merging_ratio=0.5), ["--token-merging-ratio", "0.5"]),
        (dict(guidance_start=0.25, guidance_stop=0.75), ["--guidance-start", "0.25", "--guidance-stop", "0.75"]),
        (dict(variation_strength=0.3, variation_seed=9), ["--variation-strength", "0.3", "--variation-seed", "9"]),
        (dict(variation_strength=0.3, variation_seed=9, num_images_per_prompt=2), ["--variation-strength", "0.3", "--variation-seed", "9", "-b", "2"]),
    ],
    ids=str,
)
def test_draws_what_the_command_draws(pipe, tiny, tmp_path, arguments, options):
    pipe.scheduler = impasto.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)  # noise on the way, too
    expected = by_command(tmp_path, tiny, "-p", "a boat", "--scheduler", "euler_a", *options)
    found = drawn(pipe, "a boat", **arguments)
    assert np.abs(found - expected).max() <= 2
    usual = drawn(pipe, "a boat")
    assert np.abs(found[:1] - usual).max() > 2, "it changes nothing"


def test_a_deep_cache_beside_a_controlnet_draws_what_the_command_draws(pipe, tiny, tmp_path):
    net = DATA / "adapters" / "controlnet"
    led = impasto.StableDiffusionControlNetPipeline.from_pipe(pipe, controlnet=impasto.ControlNetModel.from_pretrained(net))
    led.set_progress_bar_config(disable=True)
    led.scheduler = impasto.DDIMScheduler.from_config(pipe.scheduler.config)
    PICTURE.save(tmp_path / "edges.png")
    expected = by_command(tmp_path, tiny, "-p", "a boat", "--scheduler", "ddim", "--deep-cache-interval", "3", "--controlnet", str(net), "--control-image", "edges.png")
    found = drawn(led, "a boat", PICTURE, deep_cache_interval=3)
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - drawn(led, "a boat", PICTURE)).max() > 2, "it changes nothing"
    np.testing.assert_array_equal(drawn(led, "a boat", PICTURE, deep_cache_interval=1), drawn(led, "a boat", PICTURE))


@pytest.mark.parametrize("stop, steps", [(0.7, 10), (0.29, 100)])  # as float32 they are a little less and a little more
def test_shares_of_the_steps_are_counted_alike(pipe, tiny, tmp_path, stop, steps):
    pipe.scheduler = impasto.DDIMScheduler.from_config(pipe.scheduler.config)
    expected = by_command(tmp_path, tiny, "-p", "a boat", "--scheduler", "ddim", "--guidance-stop", str(stop), steps=steps)
    assert np.abs(drawn(pipe, "a boat", guidance_stop=stop, num_inference_steps=steps) - expected).max() <= 2


@pytest.mark.parametrize("prompt", ["a [boat:house:0.5]", "a [boat|house|tree]", "a [red::2] boat", "a [[boat:ship:2]:house:.5] at (sea:1.3)"])
@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "HeunDiscreteScheduler", "PNDMScheduler"])
def test_prompts_that_change_on_the_way(pipe, tiny, tmp_path, prompt, scheduler):
    pipe.prompt_syntax = "a1111"
    pipe.scheduler = getattr(impasto, scheduler).from_config(pipe.scheduler.config)
    expected = by_command(tmp_path, tiny, "-p", prompt, "-n", "[fog:rain:3]", "--prompt-syntax", "a1111", "--scheduler", scheduler)
    found = drawn(pipe, prompt, negative_prompt="[fog:rain:3]")
    assert np.abs(found - expected).max() <= 2
    batch = drawn(pipe, ["a tree", prompt], negative_prompt=["", "[fog:rain:3]"], generator=[1, 5])
    assert np.abs(batch[1] - found[0]).max() <= 2, "of a batch each picture has its own turns"


def test_changes_begin_with_the_steps_that_are_run(tiny, tmp_path):
    pipe = impasto.StableDiffusionImg2ImgPipeline.from_pretrained(tiny)
    pipe.set_progress_bar_config(disable=True)
    pipe.prompt_syntax = "a1111"
    prompt = "a [boat:house:2]"
    expected = by_command(tmp_path, tiny, "-p", prompt, "--prompt-syntax", "a1111", "-i", "in.png", "--strength", "0.6", "--variation-strength", "0.4", "--variation-seed", "3")
    found = np.asarray(pipe(prompt, PICTURE, strength=0.6, num_inference_steps=6, generator=5, variation_strength=0.4, variation_seed=3).images[0]).astype(int)
    assert np.abs(found - expected[0]).max() <= 2


def test_what_a_callback_puts_in_stays_until_the_prompt_changes(pipe):
    pipe.prompt_syntax = "a1111"
    pipe.scheduler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    seen = []

    def look(p, i, t, tensors):
        seen.append(np.asarray(tensors["prompt_embeds"]).copy())
        return {"prompt_embeds": tensors["prompt_embeds"] * 0} if i == 0 else {}

    pipe("a [boat:house:3]", **SIZE, generator=5, callback_on_step_end=look, callback_on_step_end_tensor_inputs=["prompt_embeds"])
    assert [bool(e.any()) for e in seen] == [True, False, False, True, True, True]
    assert not np.array_equal(seen[0], seen[3])


def test_one_seed_is_varied_for_all_pictures(pipe):
    several = drawn(pipe, "a boat", variation_strength=0.2, variation_seed=7, num_images_per_prompt=3)
    for k in range(3):
        np.testing.assert_allclose(several[k : k + 1], drawn(pipe, "a boat", variation_strength=0.2, variation_seed=7 + k), atol=1)
    whole = drawn(pipe, "a boat", variation_strength=1, variation_seed=7)
    np.testing.assert_allclose(whole, drawn(pipe, "a boat", generator=7), atol=2)  # all the way to the other seed


def test_settings_say_what_was_changed(pipe):
    output = pipe("a boat", **SIZE, generator=5, token_merging_ratio=0.25)
    assert output.settings["token_merging_ratio"] == 0.25 and "deep_cache_interval" not in output.settings


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(deep_cache_interval=0), ValueError, "deep_cache_interval"),
        (dict(deep_cache_interval=2.5), TypeError, "deep_cache_interval"),
        (dict(token_merging_ratio=0.8), ValueError, "token_merging_ratio"),
        (dict(token_merging_ratio=float("nan")), ValueError, "token_merging_ratio"),
        (dict(guidance_start=0.6, guidance_stop=0.5), ValueError, "guidance_start"),
        (dict(guidance_stop=1.5), ValueError, "guidance_stop"),
        (dict(variation_strength=-0.1), ValueError, "variation_strength"),
        (dict(variation_strength=0.5, variation_seed="x"), TypeError, "variation_seed"),
        (dict(variation_strength=0.5, latents=np.zeros((1, 4, 8, 8), np.float32)), ValueError, "no noise to vary"),
        (dict(variation_strength=0.5, num_images_per_prompt=2, generator=impasto.Generator()), ValueError, "needs a seed"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name(pipe, arguments, error, words):
    with pytest.raises(error, match=words):
        drawn(pipe, "a boat", **arguments)
    assert drawn(pipe, "a boat").shape == (1, 64, 64, 3), "the pipeline is as it was"
