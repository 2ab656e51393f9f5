"""The safety checker: run where a checkpoint has one, as diffusers runs it."""

import json
import shutil

import numpy as np
import pytest
from golden import DATA

import impasto

QUICK = dict(num_inference_steps=2, height=64, width=64)
CHECKER = str(DATA / "safety_checker")


@pytest.fixture
def checked(tiny, tmp_path):
    """The folder of a checkpoint with a safety checker."""
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    shutil.copytree(CHECKER, folder / "safety_checker")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["requires_safety_checker"] = True
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (folder / "feature_extractor").mkdir()
    (folder / "feature_extractor" / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}))
    (folder / "model_index.json").write_text(json.dumps(index))
    return str(folder)


def loaded(folder, **kwargs):
    pipe = impasto.StableDiffusionPipeline.from_pretrained(folder, **kwargs)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, seeds=range(6), **kwargs):
    return pipe("a boat", **QUICK, num_images_per_prompt=len(seeds), generator=list(seeds), **kwargs)


def test_what_is_flagged_is_black_and_the_rest_is_as_it_was(checked, caplog):
    pipe = loaded(checked)
    plain = draw(loaded(checked, safety_checker=None))
    assert plain.nsfw_content_detected is None
    out = draw(pipe)
    assert len(set(out.nsfw_content_detected)) == 2, "the seeds should make some of both"
    for image, whole, flagged in zip(out.images, plain.images, out.nsfw_content_detected):
        assert (image.getextrema() == ((0, 0),) * 3) if flagged else image.tobytes() == whole.tobytes()
    assert "NSFW" in caplog.text
    arrays = draw(pipe, output_type="np", return_dict=False)
    assert arrays[1] == out.nsfw_content_detected
    assert [bool((a == 0).all()) for a in arrays[0]] == out.nsfw_content_detected
    assert draw(pipe, output_type="latent").nsfw_content_detected is None


def test_a_checker_of_ones_own_is_called_as_diffusers_calls_it(pipe):
    seen = []

    def checker(images, clip_input):
        seen.append((images.shape, clip_input))
        return images, [False, True]

    pipe.safety_checker = checker
    out = draw(pipe, range(2))
    assert seen == [((2, 3, 64, 64), None)] and out.nsfw_content_detected == [False, True]
    assert out.images[1].getextrema() == ((0, 0),) * 3 and out.images[0].getextrema() != ((0, 0),) * 3


def test_one_that_was_not_downloaded_is_told_of_and_not_run(checked, caplog):
    shutil.rmtree(checked + "/safety_checker")
    pipe = loaded(checked)
    assert pipe.safety_checker is None and "safety checker is not here" in caplog.text
    assert draw(pipe, range(1)).nsfw_content_detected is None


def test_it_is_saved_and_shared_with_the_pipeline(checked, tmp_path):
    pipe = loaded(checked)
    assert pipe.config["safety_checker"] == ("stable_diffusion", "StableDiffusionSafetyChecker") and pipe.config["requires_safety_checker"]
    pipe.save_pretrained(tmp_path / "saved")
    assert draw(loaded(str(tmp_path / "saved"))).nsfw_content_detected == draw(pipe).nsfw_content_detected
    assert impasto.StableDiffusionImg2ImgPipeline(**pipe.components).safety_checker is pipe.safety_checker
    alone = impasto.StableDiffusionSafetyChecker.from_pretrained(checked, subfolder="safety_checker")
    assert alone.config.projection_dim == 16


def test_damaged_weights_are_an_oserror(checked):
    with open(checked + "/safety_checker/model.safetensors", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match="safety_checker"):
        draw(loaded(checked), range(1))


@pytest.mark.diffusers
def test_flags_are_diffusers(checked):
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(checked, torch_dtype=torch.float32)
    theirs.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(s) for s in range(6)]
    expected = theirs("a boat", **QUICK, num_images_per_prompt=6, generator=generators, output_type="np")
    ours = draw(loaded(checked), output_type="np")
    assert ours.nsfw_content_detected == expected.nsfw_content_detected
    np.testing.assert_allclose(ours.images, expected.images, atol=2e-3)
