"""Report generation: methods that write reports themselves, and a standard decoder on frozen features for encoders."""
