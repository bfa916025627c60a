"""The private daemon: sees captures, has no IP network."""
