"""For the tests of plugins: fixtures that hold a plugin to the contract, and its numbers to a record."""
