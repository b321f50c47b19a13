# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation as a site. `make docs` has antsibull-docs write collection/ first."""

project = "switchyard.django"
author = "the switchyard.django contributors"
project_copyright = f"2026, {author}"

extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinx_copybutton"]
exclude_patterns = ["build", "docsite"]

# antsibull-docs links to pages of Ansible's own documentation, and shows what filters do in YAML that has no key.
suppress_warnings = ["ref.ref", "misc.highlighting_failure"]
# The pages are read on GitHub, too: headings are linked as it links them.
myst_heading_anchors = 4
# Nobody asks a server for a prompt.
copybutton_prompt_text = r"\$ |web\d# "
copybutton_prompt_is_regexp = True

html_theme = "sphinx_book_theme"
html_theme_options = {"navbar_persistent": [], "use_download_button": False, "use_fullscreen_button": False}
html_title = project
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
antsibull_ext_color_scheme = "default-autodark"
