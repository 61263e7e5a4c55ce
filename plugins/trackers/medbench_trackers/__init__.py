"""Trackers that attach to the life-cycle hooks: MLflow and TensorBoard. Neither library is imported before it is asked for."""
