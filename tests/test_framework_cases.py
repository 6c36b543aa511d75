"""docs/frameworks.md lists what the tests compare, no more and no less."""

import subprocess
import sys

import pytest

from tests import framework_cases


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.torch
@pytest.mark.jax
def test_the_document_is_made_from_the_tests() -> None:
    command = [sys.executable, "-m", "tests.framework_cases", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=framework_cases.ROOT)
    assert done.returncode == 0, f"`make docs` writes it anew.\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
