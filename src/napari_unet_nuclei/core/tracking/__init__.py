"""Follow nuclei over time: link them from frame to frame, bridge gaps, find divisions, and tell what is doubtful."""
