"""Forms of settings, and what is remembered of them."""
