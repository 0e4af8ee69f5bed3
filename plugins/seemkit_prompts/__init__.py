"""The prompt kinds that ship with seemkit, found through the same entry points as anybody's."""
