"""Random inputs to every door of seemkit, from each of which only a result or `InputError` may come."""
