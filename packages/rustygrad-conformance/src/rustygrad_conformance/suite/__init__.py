"""The tests themselves, one file a stage."""
