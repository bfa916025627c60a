"""What is signed and kept: plan, policy, ledger, receipt, keys, and the one canonical form."""
