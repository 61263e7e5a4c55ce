"""The tracker mlflow."""
