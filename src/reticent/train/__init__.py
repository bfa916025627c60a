"""`reticent train`: one experiment, from settings to a folder of results."""
