"""Models that are told the guidance scale (LCM), without torch and beside diffusers."""

import json
import shutil

import numpy as np
import pytest
from golden import DATA, cases
from PIL import Image
from test_golden import check

import impasto


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """tiny-sd15 with such a UNet."""
    made = tmp_path_factory.mktemp("told") / "model"
    shutil.copytree(DATA / "checkpoints" / "tiny-sd15", made)
    shutil.rmtree(made / "unet")
    shutil.copytree(DATA / "told_unet", made / "unet")
    index = json.loads((made / "model_index.json").read_text())
    (made / "model_index.json").write_text(json.dumps({**index, "_class_name": "LatentConsistencyModelPipeline", "scheduler": ["diffusers", "LCMScheduler"]}))
    (made / "scheduler" / "scheduler_config.json").write_text(json.dumps({**impasto.LCMScheduler().config, "_class_name": "LCMScheduler"}))
    return made


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("case", cases("told"), ids=lambda c: c.name)
def test_equals_diffusers(folder, case):
    kind = impasto.StableDiffusionImg2ImgPipeline if "image" in case else impasto.StableDiffusionPipeline
    check(quiet(kind.from_pretrained(folder)), case, **({"image": Image.fromarray(case["image"])} if "image" in case else {}))


def test_the_checkpoints_own_class_takes_few_steps(folder):
    pipe = quiet(impasto.DiffusionPipeline.from_pretrained(folder))
    assert type(pipe) is type(impasto.AutoPipelineForText2Image.from_pretrained(folder)) is impasto.LatentConsistencyModelPipeline
    call = dict(generator=5, height=64, width=64, output_type="latent")
    usual = np.asarray(pipe("a boat", **call).images)
    np.testing.assert_array_equal(usual, np.asarray(pipe("a boat", num_inference_steps=4, guidance_scale=8.5, original_inference_steps=50, **call).images))
    for change in (dict(num_inference_steps=3), dict(guidance_scale=2.0), dict(original_inference_steps=100)):
        assert not np.array_equal(usual, np.asarray(pipe("a boat", **change, **call).images)), change
    plain = quiet(impasto.StableDiffusionPipeline.from_pipe(pipe))
    assert not plain.do_classifier_free_guidance
    np.testing.assert_array_equal(usual, np.asarray(plain("a boat", negative_prompt="grey", num_inference_steps=4, guidance_scale=8.5, **call).images))


def test_pictures_begin_anywhere_on_the_way(folder):
    pipe = quiet(impasto.AutoPipelineForImage2Image.from_pretrained(folder))
    assert type(pipe) is impasto.LatentConsistencyModelImg2ImgPipeline
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    call = dict(image=picture, generator=5, output_type="latent")
    steps = []
    usual = np.asarray(pipe("a boat", callback_on_step_end=lambda p, i, t, tensors: steps.append(int(t)) or {}, **call).images)
    assert steps == [799, 599, 399, 199], "all four, out of the first 0.8 of those that it was distilled with"
    np.testing.assert_array_equal(usual, np.asarray(pipe("a boat", timesteps=[999, *steps], strength=0.8, **call).images))
    assert not np.array_equal(usual, np.asarray(pipe("a boat", strength=0.5, **call).images))
    latents = np.random.default_rng(2).standard_normal((1, 4, 8, 8)).astype(np.float32)
    assert not np.array_equal(usual, np.asarray(pipe("a boat", latents=latents, **call).images))
    with pytest.raises(ValueError, match="original_inference_steps"):
        pipe("a boat", strength=0.05, **call)
    with pytest.raises(ValueError, match="strength"):
        pipe("a boat", strength=1.5, **call)


@pytest.mark.parametrize("name", ["LCMScheduler", "TCDScheduler"])
def test_walks_of_a_strength_end_with_what_the_model_knows(name):
    scheduler = getattr(impasto, name)()
    scheduler.set_timesteps(4, strength=0.5)
    assert list(scheduler.timesteps) == [499, 379, 259, 139]
    scheduler.set_timesteps(timesteps=[999, 699, 499, 139], strength=0.5)
    assert list(scheduler.timesteps) == [499, 139]
    with pytest.raises(ValueError, match="strength"):
        scheduler.set_timesteps(30, strength=0.5)
    with pytest.raises(TypeError, match="strength"):
        impasto.DDIMScheduler().set_timesteps(4, strength=0.5)


def test_what_does_not_fit_is_refused(folder, tiny):
    with pytest.raises(ValueError, match="told the guidance scale"):
        impasto.LatentConsistencyModelPipeline.from_pretrained(tiny)
    unet = impasto.StableDiffusionPipeline.from_pretrained(folder).unet
    x, context = np.zeros((2, 4, 8, 8), np.float32), np.zeros((2, 77, 32), np.float32)
    with pytest.raises(ValueError, match="timestep_cond"):
        unet(x, 5, context, timestep_cond=np.zeros((2, 30), np.float32))
    with pytest.raises(NotImplementedError, match="one by one"):
        unet(x, 5, context, timestep_cond=np.arange(64, dtype=np.float32).reshape(2, 32))
    with pytest.raises(NotImplementedError, match="timestep_cond"):
        impasto.StableDiffusionPipeline.from_pretrained(tiny).unet(x, 5, context, timestep_cond=np.zeros((2, 32), np.float32))


@pytest.mark.diffusers
@pytest.mark.parametrize(
    "arguments",
    [dict(), dict(num_inference_steps=2, guidance_scale=3.0, num_images_per_prompt=2), dict(original_inference_steps=100), dict(timesteps=[999, 499, 139])],
    ids=str,
)
def test_pictures_are_those_of_diffusers(folder, arguments):
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    drawn = []
    for library in (impasto, diffusers):
        more = {} if library is impasto else {"safety_checker": None, "feature_extractor": None}
        pipe = quiet(library.LatentConsistencyModelPipeline.from_pretrained(folder, torch_dtype=torch.float32, **more))
        drawn.append(np.asarray(pipe("a boat", height=64, width=64, output_type="np", generator=torch.Generator().manual_seed(7), **arguments).images))
    np.testing.assert_allclose(*drawn, atol=2e-3)


@pytest.mark.diffusers
@pytest.mark.parametrize(
    "arguments",
    [dict(), dict(strength=0.5, num_images_per_prompt=2, guidance_scale=3.0), dict(strength=1.0), dict(original_inference_steps=100, strength=0.3), dict(timesteps=[999, 759, 499, 259], strength=0.6)],
    ids=str,
)
def test_pictures_of_pictures_are_those_of_diffusers(folder, arguments):
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    drawn = []
    for library in (impasto, diffusers):
        more = {} if library is impasto else {"safety_checker": None, "feature_extractor": None}
        pipe = quiet(library.LatentConsistencyModelImg2ImgPipeline.from_pretrained(folder, torch_dtype=torch.float32, **more))
        drawn.append(np.asarray(pipe("a boat", image=picture, output_type="np", generator=torch.Generator().manual_seed(7), **arguments).images))
    np.testing.assert_allclose(*drawn, atol=2e-3)


@pytest.mark.diffusers
@pytest.mark.parametrize("name", ["LCMScheduler", "TCDScheduler"])
@pytest.mark.parametrize("arguments", [dict(num_inference_steps=4, strength=0.5), dict(num_inference_steps=7, strength=0.33), dict(num_inference_steps=5, strength=0.6, original_inference_steps=100), dict(timesteps=[999, 699, 499, 139], strength=0.6)], ids=str)
def test_walks_of_a_strength_are_those_of_diffusers(name, arguments):
    diffusers = pytest.importorskip("diffusers")
    walks = []
    for library in (impasto, diffusers):
        scheduler = getattr(library, name)()
        scheduler.set_timesteps(**arguments)
        walks.append([int(t) for t in scheduler.timesteps])
    assert walks[0] == walks[1]


@pytest.mark.diffusers
@pytest.mark.parametrize("name", ["LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline"])
def test_arguments_are_those_of_diffusers(name):
    pytest.importorskip("diffusers")
    import diffusers
    from beside_diffusers import parameters

    for method in ("__call__", "__init__"):
        ours, theirs = (parameters(getattr(getattr(library, name), method)) for library in (impasto, diffusers))
        assert list(ours) == list(theirs)
        assert method == "__init__" or ours == theirs
