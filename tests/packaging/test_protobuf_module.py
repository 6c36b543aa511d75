import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTO = "tb_rnn_plugin/rnn_data.proto"
# Where the Makefile puts it: it can't be installed beside the newest protobuf.
COMPILER = Path(sys.prefix) / "protoc"


@pytest.mark.parametrize("module", ["tb_rnn_plugin/rnn_data_pb2.py", "tb_rnn_plugin/rnn_data_pb2.pyi"])
def test_the_module_is_what_the_schema_yields(module: str, generated: Path) -> None:
    is_current = (ROOT / module).read_text() == (generated / module).read_text()
    assert is_current, "run `make proto`"


def test_the_module_runs_on_the_oldest_protobuf_that_tensorboard_allows() -> None:
    assert "# Protobuf Python Version: 6.31.1\n" in (ROOT / "tb_rnn_plugin/rnn_data_pb2.py").read_text()


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not COMPILER.is_dir():
        pytest.fail("The protobuf compiler is not installed; `make test` and `make proto` install it.")
    folder = tmp_path_factory.mktemp("generated")
    outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", *outputs, PROTO]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(COMPILER)})
    return folder
