"""How the trials of a plan are carried out; each executor takes a plan and gives its outcomes."""
