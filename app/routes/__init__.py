"""HTTP in, one service call, template out."""
