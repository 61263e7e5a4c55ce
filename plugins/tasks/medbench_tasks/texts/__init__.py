"""What is measured of texts: reports against reports, the findings they tell of, answers against answers."""
