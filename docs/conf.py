"""Settings of the pages. The API reference imports seemkit, so it must be installed."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "seemkit"
author = "The seemkit authors"
copyright = f"2026, {author}"
release = re.findall(r'__version__ = "(.+)"', (ROOT / "seemkit" / "_version.py").read_text(encoding="utf-8"))[0]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_custom_sections = [("Class attributes", "params_style")]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"seemkit {release}"
html_copy_source = False
html_show_sourcelink = False
