"""Run by Alembic: applies the migrations on the connection that `flagpost.store.migrate` hands over."""

from alembic import context

from flagpost.store.schema.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
