"""Local training on one pool of examples, with DP-SGD."""
