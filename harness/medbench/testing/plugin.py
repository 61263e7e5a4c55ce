"""The pytest plugin: fixtures for the tests of a plugin. Loaded by pytest in every environment that has medbench: light."""
