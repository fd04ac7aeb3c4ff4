"""The web application and the use cases behind it."""
