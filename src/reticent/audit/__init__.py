"""Evidence that someone who trusts nobody can check: verify, reconcile."""
