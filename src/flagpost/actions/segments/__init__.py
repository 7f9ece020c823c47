"""Use cases of segments: standard, large and rule-based ones, and their keys."""
