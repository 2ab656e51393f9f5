import logging
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

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
