"""The domain: what a feature flag is and how it may change. Pure: no I/O, no clock, standard library only."""
