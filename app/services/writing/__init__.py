"""Writing posts, seeing what became of them, and what people do about it."""
