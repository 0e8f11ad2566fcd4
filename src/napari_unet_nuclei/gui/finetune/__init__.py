"""The *Fine-tune* dock."""
