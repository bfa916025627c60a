"""Pure mathematics of privacy: events, mechanism, accountants, calibration, filters. No I/O."""
