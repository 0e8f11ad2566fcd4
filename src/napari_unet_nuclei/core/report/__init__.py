"""Reports that a person opens in a browser: one HTML file each, pictures inside, nothing loaded from elsewhere."""
