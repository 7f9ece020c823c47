"""Use cases of feature flags: flags themselves, their definitions, flag sets, impressions."""
