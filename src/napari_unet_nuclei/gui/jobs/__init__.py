"""Jobs that run in threads beside the window."""
