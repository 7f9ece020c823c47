"""A stand-in for Jira Cloud: the parts of it that feature flags touch, honest enough to develop and test against."""
