"""The organisation's half of a round: validation, sum, optimiser, rounds."""
