"""The tables for targeting: segments and their keys, flag sets, attributes and identities.

Nothing of a segment is ever deleted while its project stands. SDKs ask what has changed *since* a number they have
seen, so keys, definitions of segments, and segments that were removed stay as rows that say so. Adding one again uses
its row.

Removals of years ago are kept too. Split's protocol has no word for *begin again*: an SDK that has a segment
takes `added` and `removed` for changes of what it has. An answer with `till` -1 has Python's ask from the beginning and
replace what it has (`splitio.sync.segment`), but JavaScript's add to it (`splitio-commons`, `SegmentsCacheInMemory`).
An application that was offline for longer than removals are kept would keep a removed key in its segment until it is
restarted, and no error would show it. A row of some 250 bytes is the smaller harm.
"""

import sqlalchemy as sa

from flagpost.store.schema.core import Id, Name, id_column, metadata, reference, time_column

change_sequence = sa.Table(
    "change_sequence",
    metadata,
    sa.Column("environment_id", Id, sa.ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)
segments = sa.Table(
    "segments",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),  # standard, rule_based, large
    reference("traffic_type_id", "traffic_types"),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    time_column("created_at"),
    time_column("removed_at", nullable=True),
    sa.UniqueConstraint("project_id", "name"),
    sa.Index(None, "traffic_type_id"),
)
segment_definitions = sa.Table(
    "segment_definitions",
    metadata,
    id_column(),
    reference("segment_id", "segments"),
    reference("environment_id", "environments"),
    sa.Column("body", sa.JSON),  # of a rule-based one, as `flags.segment_rules` writes it; None for one made of keys
    sa.Column("key_count", sa.Integer, nullable=False, server_default="0"),  # without the removed keys
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),  # of its keys: rises with every change
    sa.Column("change_number", sa.BigInteger, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
    sa.Column("updated_by", Name, nullable=False),
    time_column("removed_at", nullable=True),
    sa.UniqueConstraint("segment_id", "environment_id"),
    sa.Index(None, "environment_id", "change_number"),
)
segment_keys = sa.Table(
    "segment_keys",
    metadata,
    sa.Column("definition_id", Id, sa.ForeignKey("segment_definitions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("revision", sa.Integer, nullable=False),  # the one that added or removed the key last
    sa.Index(None, "definition_id", "revision"),
)
# The change number of each revision of a segment's keys. It is known last (`store.segments.keys`), so no key has it.
segment_revisions = sa.Table(
    "segment_revisions",
    metadata,
    sa.Column("definition_id", Id, sa.ForeignKey("segment_definitions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("change_number", sa.BigInteger, nullable=False),
)
# The seeds of flags that were imported from Split; those of all others follow from their ids (`flags.bucketing`).
seed_overrides = sa.Table(
    "seed_overrides",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("flags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("environment_id", Id, sa.ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("shares", sa.Integer, nullable=False),  # signed, 32 bits, both
    sa.Column("exposure", sa.Integer, nullable=False),
    sa.Index(None, "environment_id"),
)
flag_sets = sa.Table(
    "flag_sets",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    time_column("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
attributes = sa.Table(
    "attributes",
    metadata,
    sa.Column("traffic_type_id", Id, sa.ForeignKey("traffic_types.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", Name, primary_key=True),  # chosen by people: what applications send
    sa.Column("display_name", Name, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("data_type", sa.String(20)),  # STRING, DATETIME, NUMBER, SET
    sa.Column("is_searchable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("suggested_values", sa.JSON, nullable=False),
)
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("traffic_type_id", Id, sa.ForeignKey("traffic_types.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("environment_id", Id, sa.ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String(250), primary_key=True),
    sa.Column("attribute_values", sa.JSON, nullable=False),  # by the attribute's id
    time_column("updated_at"),
    sa.Index(None, "environment_id"),
)
