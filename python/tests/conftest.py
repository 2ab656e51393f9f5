import logging
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
os.environ.setdefault("IMPASTO_DEVICE", "cpu")  # reference results are float32

import impasto  # noqa: E402
from golden import DATA  # noqa: E402


@pytest.fixture(scope="session")
def tiny():
    """The folder of a tiny checkpoint with random weights."""
    return str(DATA / "checkpoints" / "tiny-sd15")


@pytest.fixture
def pipe(tiny):
    pipe = impasto.StableDiffusionPipeline.from_pretrained(tiny)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(autouse=True)
def _once_again():
    """What is said once is said once a test."""
    from impasto import once

    once._said.clear()
    logging.getLogger("impasto").setLevel(logging.WARNING)


@pytest.fixture(scope="module")
def pair():
    """Our pipeline and diffusers'."""
    from beside_diffusers import pipelines

    made = pipelines()
    if not hasattr(made[1].text_encoder, "text_model"):
        vars(made[1].text_encoder)["text_model"] = made[1].text_encoder  # clip_skip asks for this name, which transformers 5 dropped
    return made


@pytest.fixture
def fresh():
    """A pair of one test's own, drawing by DDIM."""
    from beside_diffusers import diffusers, pipelines

    made = pipelines()
    for pipe, library in zip(made, (impasto, diffusers)):
        pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
    return made
