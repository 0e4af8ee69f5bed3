"""Prompt values, prompt encoders, and the registry of installed prompt kinds."""
