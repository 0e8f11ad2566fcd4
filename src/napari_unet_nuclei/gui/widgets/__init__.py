"""Small widgets that know nothing of nuclei."""
