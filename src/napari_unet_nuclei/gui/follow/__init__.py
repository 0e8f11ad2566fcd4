"""The dock *Follow over time*."""
