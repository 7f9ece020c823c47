"""The domain: what a feature flag is, how it may change, and which treatment a key gets. Pure: no I/O, no clock."""
