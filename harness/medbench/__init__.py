"""medbench: standard protocols for pretrained medical vision-language encoders."""

__version__ = "0.1.0"
