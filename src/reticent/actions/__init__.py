"""Input events, the action vocabulary, events to actions, actions and frames to examples."""
