"""Admin: versions of the rule book, from the console."""

from __future__ import annotations

import asyncio
import logging

from tierline.admin.v1 import admin_pb2 as pb
from tierline.admin.v1 import admin_pb2_grpc as rpc

from ops import rulebook
from ops.config import ConfigError
from router.core.errors import BadInput, NewerRules
from router.keeper import Keeper, Work
from router.rpc import validate
from router.rpc.errors import Context, answer
from router.rpc.session import Desk

log = logging.getLogger(__name__)


class AdminService(rpc.AdminServicer):
    """See admin.proto."""

    def __init__(self, desk: Desk, keeper: Keeper) -> None:
        self.desk, self.keeper = desk, keeper

    async def Apply(self, request: pb.ApplyRequest, context: Context) -> pb.InForce:
        """See admin.proto."""
        return await answer(context, self._apply(request))

    async def _apply(self, r: pb.ApplyRequest) -> pb.InForce:
        validate.tenant(r.tenant, self.desk.tenant)
        made = await asyncio.to_thread(self._work, r)  # calls go on meanwhile
        self.desk.post.send(await self.desk.store.sync_config(made.rules, self.desk.clock.now_ms()))
        version, sha256 = await self.desk.store.in_force()
        if (version, sha256) != (made.book.version, made.rules.book.sha256):
            raise NewerRules(f"version {version} is in force")
        if self.keeper.rules.book.sha256 != sha256:
            self.keeper.take(made)
        log.info("rules in force", extra={"version": version, "who": made.book.who})
        return pb.InForce(version=version, sha256=sha256)

    def _work(self, r: pb.ApplyRequest) -> Work:
        try:
            book = rulebook.from_json(r.document)
        except ConfigError as error:
            raise BadInput("document", str(error)) from error
        if not book.version or book.version != r.version:
            raise BadInput("version", f"the document is version {book.version}")
        return self.keeper.work(book)

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.InForce:
        """See admin.proto."""
        return await answer(context, self._get(request))

    async def _get(self, r: pb.GetRequest) -> pb.InForce:
        validate.tenant(r.tenant, self.desk.tenant)
        version, sha256 = await self.desk.store.in_force()
        ours = self.keeper.rules.book
        document = ours.document if r.have != sha256 == ours.sha256 else ""
        return pb.InForce(version=version, sha256=sha256, document=document)
