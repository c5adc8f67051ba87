"""Loads the plugin and the fixtures; everything else is theirs.

The plugin imports the display, so that comes first: pytest rewrites nothing that is there already.
"""

pytest_plugins = [
    "cube_acceptance.entry",
    "cube_acceptance.display",
    "cube_acceptance.workers",
    "cube_acceptance.plugin",
    "fixtures.given",
]
