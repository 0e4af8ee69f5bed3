"""The version of seemkit."""

__version__ = "0.1.0.dev0"
