"""Leaderboards: from records to tables as plain values, and from these to Markdown, CSV, JSON and LaTeX."""
