"""Read and write images and labels."""
