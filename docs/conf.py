"""Configuration of the documentation: ``sphinx-build -n -W --keep-going docs docs/_build/html``.

The packages of this repository must be installed. Nothing is fetched from a
network, so the build is the same everywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import rustygrad

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "rustygrad"
author = "the rustygrad authors"
copyright = "the rustygrad authors, MIT licence"  # noqa: A001  (Sphinx's name for it)
release = version = rustygrad.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generated",  # docs/_ext/generated.py
    "pages",  # docs/_ext/pages.py
    "soft_links",  # docs/_ext/soft_links.py
]
exclude_patterns = ["_build", "_generated", "requirements.txt"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes_action = "De"  # dashes and ellipses; quotes often quote code
nitpicky = True
# Names from outside this project: nothing to link to without a network.
nitpick_ignore_regex = [("py:.*", r"(?!rustygrad\b).*")]
suppress_warnings: list[str] = []

default_role = "soft"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "rustygrad"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "light_css_variables": {
        "color-brand-primary": "#9a3412",
        "color-brand-content": "#9a3412",
    },
    "dark_css_variables": {
        "color-brand-primary": "#fdba74",
        "color-brand-content": "#fdba74",
    },
}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
