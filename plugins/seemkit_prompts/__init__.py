"""The prompt kinds that seemkit includes, registered through the same entry points as plugins."""
