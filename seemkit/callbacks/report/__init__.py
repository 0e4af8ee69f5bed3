"""The output of a finished test: a table, curves, pictures and the worst cases."""
