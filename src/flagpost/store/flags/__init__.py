"""SQL for feature flags, definitions, flag sets, the change log, and impressions."""
