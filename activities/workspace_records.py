"""The records of workspaces: where each is, the key that it pushes with, and how it is."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.nodes import NodeRole
from activities.contracts.workspace import (
    OWE_CHECKOUT,
    PLACE_WORKSPACE,
    RECORD_WORKSPACE,
    REGISTER_WORKSPACE_KEY,
    SETTLE_CHECKOUT,
    CheckoutRef,
    OwedCheckout,
    PlaceWorkspaceInput,
    Run,
    WorkspacePlacement,
    WorkspaceRecord,
    WorkspaceStatus,
)
from activities.placement import Candidate, candidate, choose
from ops.crypto import Vault, workspace_key_context
from ops.db.session import Database
from ops.db.tables import AccountDeletion, App, NodeRow, OwedCheckoutRow, User, Workspace, now
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable, NotFound
from ops.gitea import Gitea
from ops.leavers import leave_nothing_on_git
from ops.settings import Settings

KEY_TITLE = "workspace"


def new_key() -> tuple[str, str]:
    """A private key as ``ssh-add`` takes it, and its public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} {KEY_TITLE}"


def free_slot(taken: set[int], slots: int) -> int | None:
    """The lowest slot of a node that nobody has; None when it is full."""
    return next((slot for slot in range(slots) if slot not in taken), None)


class WorkspaceRecords:
    def __init__(self, database: Database, settings: Settings, vault: Vault) -> None:
        self._database = database
        self._settings = settings
        self._vault = vault

    @activity.defn(name=PLACE_WORKSPACE.name)
    @reports_errors
    async def place_workspace(self, given: PlaceWorkspaceInput) -> WorkspacePlacement:
        async with self._database.session() as session:
            if given.leaving:
                return await self._leaving(session, given.user_id)
            await _refuse_what_goes(session, given)
            row = await session.get(Workspace, given.user_id)
            unplaced = row is None or row.node_id is None
            nodes = await self._nodes(session, lock=unplaced)
            if unplaced:
                # An import places its user's workspace too, and may have done so before the lock.
                row = await session.get(Workspace, given.user_id, populate_existing=True)
            if row is None:
                row = Workspace(user_id=given.user_id)
                session.add(row)
            await self._place(session, nodes, row)
            if row.private_key is None:
                private, row.public_key = new_key()
                row.private_key = self._vault.encrypt(private, workspace_key_context(given.user_id))
            await session.flush()
            return self._placement(row, await _owed(session, given.user_id))

    async def _leaving(self, session: AsyncSession, user_id: int) -> WorkspacePlacement:
        """Where it is, also on a host that is away."""
        row = await session.get(Workspace, user_id)
        if row is None or row.node_id is None:
            raise NotFound(f"user {user_id} has no workspace", code=ErrorCode.WORKSPACE_CLOSED)
        return self._placement(row, [])

    async def _nodes(self, session: AsyncSession, *, lock: bool) -> list[Candidate]:
        """Under a lock on the nodes, of ten placed at once, each sees the one before."""
        known = {node.node_id for node in self._settings.nodes}
        query = select(NodeRow).where(NodeRow.role == NodeRole.WORKSPACE)
        rows = await session.exec(query.with_for_update() if lock else query)
        counts = await session.exec(
            select(Workspace.node_id, func.count())
            .where(col(Workspace.node_id).is_not(None))
            .group_by(col(Workspace.node_id))
        )
        workspaces = dict(counts.all())
        return [
            candidate(row, workspaces.get(row.node_id, 0)) for row in rows if row.node_id in known
        ]

    async def _place(self, session: AsyncSession, nodes: list[Candidate], row: Workspace) -> None:
        slots = self._settings.workspace_slots
        if row.node_id is None:
            roomy = [node for node in nodes if node.apps < slots]
            if nodes and not roomy:
                raise NodeUnavailable(
                    "no workspace host has room for another workspace",
                    code=ErrorCode.WORKSPACES_FULL,
                    hint="an administrator raises STUDIO_WORKSPACE_SLOTS or adds a host",
                )
            nodes = roomy
        row.node_id = choose(
            nodes,
            row.node_id,
            self._settings.disk_floor_mb * 1024 * 1024,
            what="workspace",
            role=NodeRole.WORKSPACE,
        )
        if row.slot is not None:
            return
        taken = await session.exec(
            select(Workspace.slot).where(
                Workspace.node_id == row.node_id, col(Workspace.slot).is_not(None)
            )
        )
        row.slot = free_slot({slot for slot in taken if slot is not None}, slots)
        if row.slot is None:
            raise NodeUnavailable(
                f"{row.node_id} has no room for another workspace",
                code=ErrorCode.HOST_FULL,
                values={"node": row.node_id},
            )

    def _placement(self, row: Workspace, owed: list[int]) -> WorkspacePlacement:
        settings = self._settings
        assert row.node_id is not None
        assert row.slot is not None
        return WorkspacePlacement(
            user_id=row.user_id,
            node_id=row.node_id,
            slot=row.slot,
            dev_mongo=row.dev_mongo,
            key_registered=row.gitea_key_id is not None,
            base_path=settings.preview_base_path(row.user_id),
            public_url=settings.preview_url(row.user_id),
            run_idle_seconds=settings.run_idle_seconds,
            idle_seconds=settings.workspace_idle_seconds,
            recorded=WorkspaceRecord(
                user_id=row.user_id,
                status=WorkspaceStatus(row.status),
                app_id=row.app_id,
                run=Run.model_validate(row.run) if row.run else None,
                run_count=row.run_count,
            ),
            owed_checkouts=owed,
        )

    @activity.defn(name=REGISTER_WORKSPACE_KEY.name)
    @reports_errors
    async def register_workspace_key(self, given: PlaceWorkspaceInput) -> None:
        async with self._database.session() as session:
            row = await session.get(Workspace, given.user_id)
        if row is None or row.public_key is None:
            raise NotFound(f"user {given.user_id} has no workspace")
        if row.gitea_key_id is not None:
            return
        async with Gitea.connect(self._settings) as gitea:
            key_id = await gitea.add_key(given.user_id, KEY_TITLE, row.public_key)
            await leave_nothing_on_git(self._database, gitea, given.user_id)
        async with self._database.session() as session:
            row = await session.get(Workspace, given.user_id, with_for_update=True)
            if row is not None:
                row.gitea_key_id = key_id

    @activity.defn(name=RECORD_WORKSPACE.name)
    @reports_errors
    async def record_workspace(self, given: WorkspaceRecord) -> None:
        """Does nothing for a workspace that was deleted meanwhile."""
        async with self._database.session() as session:
            row = await session.get(Workspace, given.user_id, with_for_update=True)
            if row is None:
                return
            row.status = given.status
            # An app that is being deleted goes before its workspace hears of it.
            app = await session.get(App, given.app_id) if given.app_id is not None else None
            row.app_id = app.id if app is not None else None
            row.run = given.run.model_dump(mode="json") if given.run else None
            row.run_count = given.run_count
            row.changed_at = now()

    @activity.defn(name=OWE_CHECKOUT.name)
    @reports_errors
    async def owe_checkout(self, given: CheckoutRef) -> OwedCheckout:
        async with self._database.session() as session:
            row = await session.get(Workspace, given.user_id, with_for_update=True)
            leaving = await session.get(AccountDeletion, given.user_id)
            if row is None or row.node_id is None or leaving is not None:
                return OwedCheckout(ask=False)
            if await session.get(OwedCheckoutRow, (given.user_id, given.app_id)) is None:
                session.add(OwedCheckoutRow(user_id=given.user_id, app_id=given.app_id))
            return OwedCheckout(ask=row.status != WorkspaceStatus.STOPPED)

    @activity.defn(name=SETTLE_CHECKOUT.name)
    @reports_errors
    async def settle_checkout(self, given: CheckoutRef) -> None:
        async with self._database.session() as session:
            await session.exec(
                delete(OwedCheckoutRow).where(
                    col(OwedCheckoutRow.user_id) == given.user_id,
                    col(OwedCheckoutRow.app_id) == given.app_id,
                )
            )


async def _refuse_what_goes(session: AsyncSession, given: PlaceWorkspaceInput) -> None:
    if await session.get(User, given.user_id) is None:
        raise NotFound(f"there is no user {given.user_id}")
    if await session.get(AccountDeletion, given.user_id) is not None:
        raise Conflict("the account is being deleted", code=ErrorCode.ACCOUNT_DELETING)
    if given.app_id is None:
        return
    app = await session.get(App, given.app_id)
    if app is None or app.user_id != given.user_id:
        raise NotFound(
            f"there is no app {given.app_id} of yours",
            code=ErrorCode.APP_MISSING,
            values={"id": given.app_id},
        )
    if app.deleting:
        raise Conflict("the app is being deleted", code=ErrorCode.APP_DELETING)


async def _owed(session: AsyncSession, user_id: int) -> list[int]:
    query = select(OwedCheckoutRow.app_id).where(OwedCheckoutRow.user_id == user_id)
    return sorted(await session.exec(query))
