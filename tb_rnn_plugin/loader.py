"""What TensorBoard imports when it starts. Whatever is wrong with us, TensorBoard starts all the same.

An exception from this module, from `define_flags` or from `fix_flags` would end TensorBoard itself, so everything that
could fail is imported when it is needed, behind a guard.
"""

import argparse
import logging
from typing import TYPE_CHECKING

from tensorboard.plugins import base_plugin

if TYPE_CHECKING:
    from tb_rnn_plugin.plugin import RnnPlugin

logger = logging.getLogger(__name__)


class TBLoader(base_plugin.TBLoader):
    """Loads the plugin, and sets how many steps of its series TensorBoard keeps."""

    def fix_flags(self, flags: argparse.Namespace) -> None:
        """Sets our caps where the user's --samples_per_plugin sets none."""
        try:
            from tb_rnn_plugin.metadata import DEFAULT_SAMPLES  # noqa: PLC0415  # behind the guard

            for plugin_name, samples in DEFAULT_SAMPLES.items():
                flags.samples_per_plugin.setdefault(plugin_name, samples)
        except Exception:
            logger.exception("tb_rnn_plugin could not set its defaults for --samples_per_plugin.")

    def load(self, context: base_plugin.TBContext) -> "RnnPlugin | None":
        """The plugin, or None when it can't be loaded."""
        try:
            from tb_rnn_plugin.plugin import RnnPlugin  # noqa: PLC0415  # behind the guard

            return RnnPlugin(context)
        except Exception:
            logger.exception("tb_rnn_plugin could not be loaded; TensorBoard goes on without the RNN tab.")
            return None
