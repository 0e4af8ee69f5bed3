"""What a finished test shows: a table, curves, pictures and the worst images."""
