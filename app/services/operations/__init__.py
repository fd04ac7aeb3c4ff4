"""Whether the installation does its work, and what it does for itself."""
