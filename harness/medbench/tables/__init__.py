"""Tables and plots of a results folder: efficiency, overview, paired tests, groups, reliability, from records alone."""
