"""The domain: what a feature flag is, how it may change and who gets what. Pure: no I/O, no clock, no framework."""
