"""What an empty database gets when Flagpost starts on it for the first time."""

from flagpost.actions.access import NO_ACCOUNT, system
from flagpost.actions.accounts import api_keys
from flagpost.actions.context import Context
from flagpost.actions.projects.projects import create_project
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput
from flagpost.store.accounts import accounts
from flagpost.store.accounts import api_keys as stored_keys

MIN_BOOTSTRAP_KEY = 20


def ensure_account(ctx: Context) -> str:
    """The account's id; at a first start, makes it, with a project *Default* to begin in.

    Then also the admin key of `FLAGPOST_BOOTSTRAP_ADMIN_KEY`. A key that was revoked since is not brought back.
    """
    with ctx.db.read() as tx:
        account_id = accounts.first(tx)
    if account_id is None:
        account_id = _create_account(ctx, system(NO_ACCOUNT))
    _ensure_bootstrap_key(ctx, account_id)
    return account_id


@transactional
def _create_account(change: Change) -> str:
    """The account and its first project. Of several processes that start at once on a new database, one makes them."""
    account_id, is_new = accounts.first_or_insert(change.tx, "Flagpost", change.now)
    if is_new:
        create_project.within(change.acting_as(system(account_id)), "Default")
    return account_id


def _ensure_bootstrap_key(ctx: Context, account_id: str) -> None:
    setting = ctx.settings.bootstrap_admin_key
    if setting is None:
        return
    secret = setting.get_secret_value()
    if len(secret) < MIN_BOOTSTRAP_KEY:
        message = f"Use at least {MIN_BOOTSTRAP_KEY} characters: the key may do everything."
        raise InvalidInput(message, "FLAGPOST_BOOTSTRAP_ADMIN_KEY")
    with ctx.db.read() as tx:
        known = stored_keys.find_by_secret(tx, api_keys.hash_of(secret))
    if known is None:
        api_keys.create_api_key(
            ctx, system(account_id), name="Bootstrap", kind="admin", roles=("API_ALL_GRANTED",), secret=secret
        )
