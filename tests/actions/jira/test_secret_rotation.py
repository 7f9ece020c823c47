"""Secrets at rest: encrypted anew with the newest key, so that older keys can be dropped."""

from dataclasses import replace

import sqlalchemy as sa
from cryptography.fernet import Fernet

from flagpost.actions.context import Context
from flagpost.actions.jira import secret_rotation
from flagpost.jira.secret_box import SecretBox
from flagpost.store.jira import credentials, integrations
from flagpost.store.jira.credentials import NewCredentials
from flagpost.store.schema.jira import jira_credentials
from tests.conftest import AccountFixture

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def with_keys(ctx: Context, *keys: str) -> Context:
    return replace(ctx, box=SecretBox(list(keys)))


def keep_secrets(ctx: Context, account: AccountFixture) -> None:
    with ctx.db.write() as tx:
        integrations.save_installation(
            tx, "one", 1, cloud_id="c", api_base_url="https://x", system_token=ctx.box.encrypt("system")
        )
        new = NewCredentials("https://x", "c", "id", ctx.box.encrypt("secret"))
        given = credentials.save(tx, account.id, new, 1, "Ada")
        credentials.update(tx, given.id, api_token=ctx.box.encrypt("api"), webhook_secret=ctx.box.encrypt("hook"))


def secrets_of(ctx: Context) -> list[str]:
    with ctx.db.read() as tx:
        return sorted(ctx.box.decrypt(stored) or "?" for _, _, stored in credentials.encrypted(tx))


def test_every_secret_is_encrypted_with_the_newest_key_once(ctx: Context, account: AccountFixture) -> None:
    keep_secrets(with_keys(ctx, OLD), account)
    assert secret_rotation.encrypt_with_newest_key(with_keys(ctx, NEW, OLD)) == 4
    assert secret_rotation.encrypt_with_newest_key(with_keys(ctx, NEW, OLD)) == 0
    assert secrets_of(with_keys(ctx, NEW)) == ["api", "hook", "secret", "system"]
    assert secret_rotation.count_unreadable(with_keys(ctx, NEW)) == 0


def test_what_no_key_fits_is_left_alone_and_counted(ctx: Context, account: AccountFixture) -> None:
    keep_secrets(with_keys(ctx, OLD), account)
    assert secret_rotation.encrypt_with_newest_key(with_keys(ctx, NEW)) == 0
    assert secret_rotation.count_unreadable(with_keys(ctx, NEW)) == 4
    assert len(secrets_of(with_keys(ctx, OLD))) == 4


def test_no_secret_is_kept_as_it_is(ctx: Context, account: AccountFixture) -> None:
    keep_secrets(ctx, account)
    with ctx.db.read() as tx:
        row = tx.execute(sa.select(jira_credentials)).one()
    assert not any(word in str(row).encode() for word in (b"secret'", b"api'", b"hook'"))
    assert b"secret" not in row.client_secret
