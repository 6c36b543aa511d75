"""Everything is in pyproject.toml, but for where a build puts what it writes on its way."""

import shutil
import tempfile
from atexit import register

from setuptools import setup

# A build/ left in the source tree would put modules that were deleted since into the next wheel.
build_base = tempfile.mkdtemp(prefix="tb-rnn-plugin-build-")
register(shutil.rmtree, build_base, ignore_errors=True)

setup(options={"build": {"build_base": build_base}, "egg_info": {"egg_base": build_base}})
