"""Every table of Flagpost. Import `flagpost.store.schema.metadata` to have them all."""
