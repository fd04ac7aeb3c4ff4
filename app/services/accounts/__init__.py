"""Connected profiles."""
