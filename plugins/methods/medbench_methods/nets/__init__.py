"""Networks that several methods share: trunks, projections, the clinical text tower, strict loading, phantom weights.

Nothing is imported here: every module of this package needs torch.
"""
