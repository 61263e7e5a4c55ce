"""Networks that several methods share: trunks, projections, the clinical text tower, strict loading, phantom weights.

Nothing is imported here: most modules of this package need torch. Those that the plan reads do not: `hf_files`, `hf_kinds` and
`open_hub`.
"""
