"""Run by Alembic: applies the migrations on the connection that `flagpost.store.migrate` hands over."""

from alembic import context

from flagpost.store.schema.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=context.config.attributes.get("render_item"),  # where `tools/new_migration.py` asks
)
with context.begin_transaction():
    context.run_migrations()
