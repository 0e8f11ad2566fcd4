"""What is measured of labelled nuclei."""
