"""Images before the network sees them: axes, kind, signal, intensities, tiles, files."""
