"""The tracker tensorboard."""
