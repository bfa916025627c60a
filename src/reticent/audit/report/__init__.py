"""A run's folder → report.html: one page for works councils and engineers that needs no network, no script and no trust."""
