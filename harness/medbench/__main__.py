"""``python -m medbench``."""

from medbench.cli import main

main()
