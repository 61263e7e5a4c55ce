"""Comparing two sets of records: what changed, whether it is significant, and whether a gate should fail."""
