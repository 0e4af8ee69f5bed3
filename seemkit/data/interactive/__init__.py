"""The datasets of the interactive evaluation by clicks."""
