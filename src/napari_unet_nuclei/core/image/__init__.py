"""Images before the network sees them: axes, intensities, tiles, files, and synthetic samples."""
