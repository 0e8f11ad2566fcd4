"""Read TIFF: whose it is, what its samples are, and what it says about them."""
