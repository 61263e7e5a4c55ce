"""The plugin kit: packages to start from, and the contract that a plugin is held to."""
