"""The ``seemkit`` command, one module per verb. Heavy packages are imported when a verb needs them."""
