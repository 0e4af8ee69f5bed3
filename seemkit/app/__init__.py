"""The web page: a local server over sessions, and the page that it serves. Needs ``pip install "seemkit[app]"``."""
