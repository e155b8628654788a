"""Passwords that are changed, given anew, and looked at meanwhile; and who is an administrator."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr
from sqlmodel import select

from api.entry import account, auth
from api.entry.deps import Caller
from api.entry.schemas import ChangePassword, Login
from ops.db import accounts
from ops.db.tables import AccountDeletion, Token, User, now
from ops.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, Unauthorized
from ops.passwords import Passwords
from ops.settings import Settings
from ops.tokens import token_hash
from tests.support.memory import RecordsInMemory

ADA, BOB = 1, 2
OLD, NEW = "correct horse battery staple", "a longer staple for the horse"
REQUEST: Any = SimpleNamespace(headers={}, client=None)


class Plain:
    """Passwords whose hash is quick; ``meanwhile`` happens while one is looked at."""

    def __init__(self) -> None:
        self.meanwhile: Any = None

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        if self.meanwhile is not None:
            await self.meanwhile()
        return hashed in (await self.hash(password), f"dear {await self.hash(password)}")

    async def renewed(self, password: str, hashed: str) -> str | None:
        return await self.hash(password) if hashed.startswith("dear ") else None


@pytest.fixture
async def records() -> RecordsInMemory:
    """Ada is signed in twice and has a token for scripts; Bob is an administrator."""
    made = RecordsInMemory()
    await made.add(
        User(id=ADA, email="ada@example.org", password_hash=f"hash of {OLD}"),
        User(id=BOB, email="bob@example.org", password_hash="x", is_admin=True),
        Token(id=1, user_id=ADA, hash="here"),
        Token(id=2, user_id=ADA, hash="there"),
        Token(id=3, user_id=ADA, hash="script", name="nightly"),
        Token(id=4, user_id=BOB, hash="bob's"),
    )
    return made


def services(records: RecordsInMemory, passwords: Plain | None = None) -> Any:
    given = passwords or Plain()
    return SimpleNamespace(settings=Settings(), database=records, passwords=given)


async def ada(records: RecordsInMemory, token_id: int = 1) -> Caller:
    return Caller(user=await records.again(User, ADA), token_id=token_id, via="bearer")


async def tokens(records: RecordsInMemory) -> set[str]:
    async with records.session() as session:
        return set((await session.exec(select(Token.hash))).all())


def asked(current: str = OLD, new: str = NEW) -> ChangePassword:
    return ChangePassword(current=SecretStr(current), new=SecretStr(new))


@pytest.mark.parametrize(("token_id", "left"), [(1, {"here", "script"}), (3, {"script"})])
async def test_a_new_password_ends_the_other_sessions(
    records: RecordsInMemory, token_id: int, left: set[str]
) -> None:
    me = await ada(records, token_id)
    await account.change_password(asked(), me, REQUEST, services(records))
    assert (await records.again(User, ADA)).password_hash == f"hash of {NEW}"
    assert await tokens(records) == left | {"bob's"}


async def test_who_does_not_know_the_current_one_guesses_as_seldom_as_at_sign_in(
    records: RecordsInMemory,
) -> None:
    use, me = services(records), await ada(records)
    for _ in range(use.settings.sign_in_attempts):
        with pytest.raises(Forbidden) as refused:
            await account.change_password(asked("a guess of mine"), me, REQUEST, use)
        assert refused.value.field == "current"
    with pytest.raises(LimitReached):
        await account.change_password(asked(), me, REQUEST, use)
    assert len(await tokens(records)) == 4


async def test_of_two_changes_at_once_one_counts(records: RecordsInMemory) -> None:
    first = await ada(records)
    use = services(records)
    await account.change_password(asked(), replace(first), REQUEST, use)
    with pytest.raises(Forbidden):
        await account.change_password(asked(new="of somebody else"), first, REQUEST, use)
    assert (await records.again(User, ADA)).password_hash == f"hash of {NEW}"


async def test_a_sign_in_with_the_password_of_before_ends_with_it(records: RecordsInMemory) -> None:
    passwords = Plain()
    use = services(records, passwords)
    me = await ada(records)

    async def meanwhile() -> None:
        passwords.meanwhile = None
        await account.change_password(asked(), me, REQUEST, use)

    passwords.meanwhile = meanwhile
    given = Login(email="ada@example.org", password=SecretStr(OLD))
    response: Any = SimpleNamespace(set_cookie=lambda *_, **__: pytest.fail("signed in"))
    with pytest.raises(Unauthorized):
        await auth.login(given, REQUEST, response, use)
    assert await tokens(records) == {"here", "script", "bob's"}


async def signs_in(use: Any) -> bool:
    given = Login(email="ada@example.org", password=SecretStr(OLD))
    cookies: list[str] = []
    response: Any = SimpleNamespace(set_cookie=lambda name, *_, **__: cookies.append(name))
    await auth.login(given, REQUEST, response, use)
    return bool(cookies)


async def has_dear_hash(records: RecordsInMemory) -> None:
    """As it was made with other costs."""
    async with records.session() as session:
        user = await session.get(User, ADA)
        assert user is not None
        user.password_hash = f"dear hash of {OLD}"


async def test_a_hash_of_other_costs_is_made_anew_at_a_sign_in(records: RecordsInMemory) -> None:
    await has_dear_hash(records)
    assert await signs_in(services(records))
    assert (await records.again(User, ADA)).password_hash == f"hash of {OLD}"
    assert await signs_in(services(records))


async def test_of_two_sign_ins_at_once_both_count(records: RecordsInMemory) -> None:
    await has_dear_hash(records)
    passwords = Plain()
    use = services(records, passwords)

    async def meanwhile() -> None:
        passwords.meanwhile = None
        assert await signs_in(use)

    passwords.meanwhile = meanwhile
    assert await signs_in(use)
    assert (await records.again(User, ADA)).password_hash == f"hash of {OLD}"


async def test_what_a_hash_costs() -> None:
    passwords = Passwords()
    hashed = await passwords.hash(NEW)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.renewed(NEW, hashed) is None
    dear = PasswordHash((Argon2Hasher(memory_cost=32 * 1024),)).hash(NEW)
    assert await passwords.verify(NEW, dear)
    assert (await passwords.renewed(NEW, dear) or "").startswith("$argon2id$v=19$m=19456,")
    assert not await passwords.verify(NEW, None)


async def test_a_password_is_given_anew(records: RecordsInMemory) -> None:
    assert await accounts.reset_password(records, " Ada@Example.org", NEW) == 1
    assert await Passwords().verify(NEW, (await records.again(User, ADA)).password_hash)
    assert await tokens(records) == {"script", "bob's"}
    with pytest.raises(Invalid, match="from 10 to 256"):
        await accounts.reset_password(records, "ada@example.org", "short")
    with pytest.raises(NotFound, match="nobody is registered"):
        await accounts.reset_password(records, "eve@example.org", NEW)


async def test_one_administrator_stays(records: RecordsInMemory) -> None:
    with pytest.raises(Conflict, match="the last administrator") as refused:
        await accounts.remove_administrator(records, "bob@example.org")
    assert accounts.ADD_ADMINISTRATOR in refused.value.hint
    await accounts.add_administrator(records, "ada@example.org")
    await accounts.remove_administrator(records, "bob@example.org")
    async with records.session() as session:
        assert [one.id for one in await accounts.administrators(session)] == [ADA]


async def test_whose_account_is_being_deleted_is_no_administrator(records: RecordsInMemory) -> None:
    await accounts.add_administrator(records, "ada@example.org")
    await records.add(AccountDeletion(user_id=BOB, receipt_hash="x"))
    for change in (accounts.add_administrator, accounts.new_session):
        with pytest.raises(Conflict, match="is being deleted"):
            await change(records, "bob@example.org")
    with pytest.raises(Conflict, match="the last administrator"):
        await accounts.remove_administrator(records, "ada@example.org")


async def test_the_platforms_own_session_needs_no_password_and_ends(
    records: RecordsInMemory,
) -> None:
    token = await accounts.new_session(records, "bob@example.org")
    async with records.session() as session:
        query = select(Token).where(Token.hash == token_hash(token))
        (row,) = (await session.exec(query)).all()
    assert (row.user_id, row.name) == (BOB, None)
    assert row.expires_at is not None
    assert now() < row.expires_at <= now() + accounts.OWN_SESSION
