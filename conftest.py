"""Loads the plugin and the fixtures; everything else is theirs."""

pytest_plugins = ["cube_acceptance.plugin", "fixtures"]
