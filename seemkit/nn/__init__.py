"""The network's parts in plain torch: no Lightning, no plugins, no files."""
