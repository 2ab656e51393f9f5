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
def test_arguments_are_those_of_diffusers():
    pytest.importorskip("diffusers")
    import diffusers
    from beside_diffusers import parameters

    name = "LatentConsistencyModelPipeline"
    for method in ("__call__", "__init__"):
        ours, theirs = (parameters(getattr(getattr(library, name), method)) for library in (impasto, diffusers))
        assert list(ours) == list(theirs)
        assert method == "__init__" or ours == theirs
