"""From the outputs of object queries to maps of an image; no model in here."""
