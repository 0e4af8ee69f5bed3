"""Prompts: their values, how they become tokens, and how their kinds are found."""
