"""Whatever is wrong with the plugin, TensorBoard starts and serves."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.plugins import base_plugin

import tb_rnn_plugin
from tb_rnn_plugin.loader import TBLoader
from tests import serving

PACKAGE = Path(tb_rnn_plugin.__file__).parent


def copied(to: Path) -> Path:
    ignored = shutil.ignore_patterns("static", "__pycache__")
    return Path(shutil.copytree(PACKAGE, to / "tb_rnn_plugin", ignore=ignored))


def test_caps_are_set_where_the_user_has_set_none() -> None:
    flags = argparse.Namespace(samples_per_plugin={"rnn": 5, "images": 3})
    TBLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {"rnn": 5, "rnn_arrays": 4, "images": 3}


@pytest.mark.parametrize("flags", [None, 3, argparse.Namespace(), argparse.Namespace(samples_per_plugin=None)])
def test_flags_of_any_kind_do_no_harm(flags: Any) -> None:
    TBLoader().fix_flags(flags)
    TBLoader().define_flags(argparse.ArgumentParser())


def test_a_plugin_that_can_t_be_loaded_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tb_rnn_plugin.plugin", None)
    assert TBLoader().load(base_plugin.TBContext()) is None


def test_the_entry_point_imports_none_of_our_dependencies() -> None:
    code = """
import sys
import tb_rnn_plugin.loader
heavy = {"google_crc32c", "tensorflow", "torch", "tb_rnn_plugin.serving.query", "tb_rnn_plugin.encoding"}
print(*heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("broken", ["rnn_data_pb2.py", "metadata.py", "plugin.py"])
def test_tensorboard_serves_without_us_when_a_module_is_broken(tmp_path: Path, broken: str) -> None:
    (copied(tmp_path) / broken).write_text("raise ImportError('broken by a test')")
    (tmp_path / "logs").mkdir()
    with serving.tensorboard(tmp_path / "logs", "rust", environment={"PYTHONPATH": str(tmp_path)}) as board:
        assert board.get("/data/runs").json == []
        listed = board.get("/data/plugins_listing").json
        assert "rnn" not in listed
        assert "scalars" in listed
        assert "broken by a test" in board.log.read_text()


def test_without_a_built_frontend_and_without_crc32c_the_tab_says_so(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "google_crc32c.py").write_text("raise ImportError('broken by a test')")
    (tmp_path / "logs").mkdir()
    with serving.tensorboard(tmp_path / "logs", "rust", environment={"PYTHONPATH": str(tmp_path)}) as board:
        entry = board.get("index.js")
        assert entry.status == 200
        assert entry.headers["content-type"].startswith("text/javascript")
        assert b"without its frontend" in entry.body
        assert board.get("static/main.js").status == 404
        assert board.get("index").json["runs"] == []
