"""The built frontend, as it is served."""

import hashlib
import mimetypes
from pathlib import Path

from tensorboard.backend import http_util
from werkzeug import Request, Response
from werkzeug.security import safe_join

from tb_rnn_plugin.serving.query import NotFoundError
from tb_rnn_plugin.serving.responses import revalidated

ENTRY = "index.js"

_STATIC = Path(__file__).parent.parent / "static"

_NOT_BUILT = """\
export function render() {
  const note = document.createElement("p");
  note.style.cssText = "font: 14px sans-serif; padding: 2em; background: white; color: black";
  note.textContent = "tb_rnn_plugin was installed without its frontend. " +
    "Reinstall it: pip install --force-reinstall tb-rnn-plugin";
  document.body.append(note);
}
"""


def static_answer(request: Request, name: str) -> Response:
    """A file of the frontend; of its entry, where it was not built, a script that says so.

    Raises:
        NotFoundError: If there is no such file.
    """
    path = safe_join(str(_STATIC), name)
    try:
        content = Path(path).read_bytes() if path is not None else None
    except (OSError, ValueError):  # no such file, a directory, or a name that can't be one
        content = None
    if content is None:
        if name != ENTRY:
            raise NotFoundError(f"there is no static file {name!r}.")
        content = _NOT_BUILT.encode()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):  # some systems say text/plain, which a browser does not import
        kind = "text/javascript"
    return revalidated(request, http_util.Respond(request, content, kind), hashlib.sha256(content).hexdigest())
