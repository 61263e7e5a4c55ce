"""The report: one self-contained HTML page to look at a results folder, made from records and kept predictions."""
