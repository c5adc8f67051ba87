"""Loads the plugin and the fixtures; everything else is theirs."""

pytest_plugins = [
    "cube_acceptance.entry",
    "cube_acceptance.plugin",
    "cube_acceptance.display",
    "fixtures.given",
]
