"""What every route has in common: errors as JSON, and answers that a browser keeps and asks about again."""

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from werkzeug import Request, Response
from werkzeug.datastructures import Headers

from tb_rnn_plugin.serving.parameters import BadRequestError
from tb_rnn_plugin.serving.query import NotFoundError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

_Plugin = TypeVar("_Plugin")


def route(handler: Callable[[_Plugin, Request], Response]) -> Callable[[_Plugin, dict[str, Any], Any], Iterable[bytes]]:
    """A WSGI application of a handler, which answers every error as JSON."""

    @functools.wraps(handler)
    def application(self: _Plugin, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        try:
            if request.method not in {"GET", "HEAD"}:
                response = _error(request, 405, f"method: expected GET, got {request.method}.")
                response.headers["Allow"] = "GET, HEAD"
            else:
                response = handler(self, request)
        except BadRequestError as error:
            response = _error(request, 400, str(error))
        except (NotFoundError, errors.NotFoundError) as error:
            response = _error(request, 404, str(error))
        except errors.PublicError as error:
            response = _error(request, error.http_code, str(error))
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.full_path)
            response = _error(
                request, 500, f"tb_rnn_plugin failed ({type(error).__name__}); TensorBoard's log says more."
            )
        return response(environ, start_response)

    return application


def _error(request: Request, status: int, message: str) -> Response:
    response: Response = http_util.Respond(request, {"error": message}, "application/json", code=status)
    return response


def experiment_of(request: Request) -> tuple[Any, str]:
    """TensorBoard's context of a request, and the experiment's id."""
    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)


def json_answer(request: Request, content: Any) -> Response:
    """Content without NaN and Inf as JSON, under an ETag of it."""
    # Of text, which is made once; http_util would go through the content to cleanse it, and take as long again.
    text = json.dumps(content, allow_nan=False)
    return revalidated(request, http_util.Respond(request, text, "application/json"), digest(text))


def bytes_answer(request: Request, content: bytes, etag: str | None) -> Response:
    """Bytes under an ETag; None: not to be kept."""
    response: Response = http_util.Respond(request, content, "application/octet-stream")
    return response if etag is None else revalidated(request, response, etag)


def digest(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def revalidated(request: Request, response: Response, etag: str) -> Response:
    """The response, or a 304 without a body when the browser has this very one."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.pop("Expires", None)
    response.set_etag(etag)
    return _TypedResponse.force_type(response).make_conditional(request)


class _TypedResponse(Response):
    """Names its type in a 304 too, which werkzeug leaves out: TensorBoard logs a warning of each response without."""

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers.setdefault("Content-Type", self.headers["Content-Type"])
        return headers
