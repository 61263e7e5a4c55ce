"""The generated part of the reference: what the specs, the program and the docstrings say."""
