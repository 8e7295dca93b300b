"""The one place that turns exceptions into gRPC codes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

import grpc

from ops import inner
from router.core import errors
from router.metrics import REFUSED

log = logging.getLogger(__name__)
T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]
_CODES: tuple[tuple[type[errors.RouterError], grpc.StatusCode], ...] = (
    (errors.StoreAway, grpc.StatusCode.UNAVAILABLE),
    (errors.BadInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotAllowed, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NoPhone, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.OldEpoch, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.OfferClosed, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NewerRules, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NumberNotAllowed, grpc.StatusCode.PERMISSION_DENIED),
    (errors.TooManyCallbacks, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.UnknownAgent, grpc.StatusCode.NOT_FOUND),
    (errors.UnknownQueue, grpc.StatusCode.NOT_FOUND),
    (errors.UnknownCall, grpc.StatusCode.NOT_FOUND),
)


def code_of(error: errors.RouterError) -> grpc.StatusCode:
    """UNAVAILABLE: try again or elsewhere; INTERNAL: a defect of ours."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def text_of(error: errors.RouterError) -> str:
    """What the caller is told."""
    if isinstance(error, errors.UnknownAgent):
        return f"agent: unknown {error}"
    return str(error)


async def refuse(context: Context, error: errors.RouterError) -> NoReturn:
    """End the RPC with the error's code and text."""
    code = code_of(error)
    REFUSED.labels(error.code).inc()
    if code is grpc.StatusCode.INTERNAL:
        log.error("internal", extra={"why": str(error)})
    await context.abort(code, text_of(error), ((inner.ERROR, error.code),))


async def answer(context: Context, work: Awaitable[T]) -> T:
    """The work's result; its RouterError ends the RPC."""
    try:
        return await work
    except errors.RouterError as error:
        await refuse(context, error)
