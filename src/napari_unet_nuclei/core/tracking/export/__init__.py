"""Write tracks for other programs."""
