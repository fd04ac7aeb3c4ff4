"""Users, sign-in, workspaces."""
