"""Labels that a person has corrected, on disk."""
